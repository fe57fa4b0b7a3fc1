"""What trials in Azure have brought: the app reads it, and the laptop Azure writes nothing of another shape.

There is none yet: nobody has run a trial in Azure.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from localazure.event_grid.azure_events import DeliverySchema, azure_event
from localazure.world.happenings import ActionSucceeded, Annotated, AvailabilityChanged
from scripts.adopt_trial import FIXTURES, PAGE, NotAdoptedError, marked, read_evidence
from spot_responder.intake.events import read_event
from spot_responder.intake.payloads import text_field
from tests.harness.fronts import assert_same_shape
from tests.trial.trials import now

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ADOPTED: Final = sorted(FIXTURES.glob("trial-*.json"))
VM: Final = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v"
OF_RESOURCES: Final = "microsoft.resources.resourceactionsuccess"


def laptops(event: Mapping[str, object]) -> dict[str, object] | None:
    """Give the laptop Azure's event of the same kind; ``None`` where it has none."""
    annotation = text_field(event, "data", "resourceInfo", "properties", "annotationName")
    state = text_field(event, "data", "resourceInfo", "properties", "availabilityState")
    operation = text_field(event, "data", "operationName")
    if annotation == "VirtualMachinePreempted":
        happened: Annotated | AvailabilityChanged | ActionSucceeded = Annotated(VM, now(), annotation)
    elif state:
        happened = AvailabilityChanged(VM, now(), "Available", state)
    elif operation and text_field(event, "type").lower() == OF_RESOURCES:
        happened = ActionSucceeded(VM, now(), operation, "somebody")
    else:
        return None
    return azure_event(happened, "id", now()).written(DeliverySchema.CLOUD_EVENTS)


def hold(evidence: Mapping[str, Any]) -> None:
    """Hold app and laptop Azure against the events of a trial."""
    for each in evidence["events"]:
        read_event(each["event"])
        ours = laptops(each["event"])
        if ours is not None:
            assert_same_shape(each["event"], ours, each["event"]["type"])


@pytest.mark.parametrize("file", ADOPTED, ids=lambda file: str(file.name))
def test_the_app_reads_what_azure_sent(file: Path) -> None:
    """And the laptop Azure sends the like."""
    hold(json.loads(file.read_text(encoding="utf-8")))


def _evidence(**changes: object) -> dict[str, Any]:
    event = azure_event(Annotated(VM, now(), "VirtualMachinePreempted"), "id", now())
    written = json.loads(json.dumps(event.written(DeliverySchema.CLOUD_EVENTS))) | changes
    return {"laptop": False, "beliefs": [], "answers": {}, "events": [{"event": written}]}


def test_a_laptop_azure_that_differs_is_found_out() -> None:
    """By the first event that has what its own have not."""
    hold(_evidence())
    with pytest.raises(AssertionError, match="'traceparent' is missing"):
        hold(_evidence(traceparent="00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"))


def test_a_verdict_is_marked_in_the_page() -> None:
    """What was not seen stays as it was."""
    page = PAGE.read_text(encoding="utf-8")
    beliefs = [
        {"belief": "E1", "verdict": "holds"},
        {"belief": "E4", "verdict": "does-not-hold"},
        {"belief": "V1", "verdict": "not-seen"},
    ]
    changed = set(marked(page, "2030-01-02", beliefs).splitlines()) - set(page.splitlines())
    assert sorted(changed) == [
        "| E1 | checked: eviction | holds, 2030-01-02 |",
        "| E4 | checked: eviction | does-not-hold, 2030-01-02 |",
    ]


def test_what_says_nothing_about_azure_is_not_adopted(tmp_path: Path) -> None:
    """Neither a trial of the laptop Azure nor something else."""
    file = tmp_path / "trial-2030-01-02.json"
    file.write_text(json.dumps(_evidence() | {"laptop": True}), encoding="utf-8")
    with pytest.raises(NotAdoptedError, match="says nothing about Azure"):
        read_evidence(file)
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(NotAdoptedError, match="is no evidence of a trial"):
        read_evidence(file)
    with pytest.raises(NotAdoptedError, match="cannot be read"):
        read_evidence(tmp_path / "nobody.json")
    file.write_text(json.dumps(_evidence()), encoding="utf-8")
    assert read_evidence(file)[0] == "2030-01-02"
