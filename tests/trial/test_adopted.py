"""What trials in Azure have brought: the app reads it, and the laptop Azure says and does nothing else.

There is none yet: nobody has run a trial in Azure. What is adopted here is of the laptop, as if it were Azure.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest

from localazure.event_grid.azure_events import DeliverySchema, azure_event
from localazure.trial.ground import open_beneath
from localazure.world.happenings import ActionSucceeded, Annotated, AvailabilityChanged
from localazure.world.world import SUBSCRIPTION
from scripts.adopt_trial import FIXTURES, PAGE, NotAdoptedError, adopt, marked, read_evidence
from spot_responder.intake.events import read_event
from spot_responder.intake.payloads import text_field
from spot_responder.trial.views.report import belief_list, payloads, redaction_of
from tests.harness.fronts import assert_same_shape
from tests.trial.trials import now
from tests.trial.turned import STEPS, Trial, tried
from tests.trial.turning import Turning

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


def evidence_of(trial: Trial) -> dict[str, Any]:
    """Give what a trial of the laptop Azure has brought, as the command writes it."""
    redaction = redaction_of(trial.seen, (SUBSCRIPTION,))
    evidence = {"laptop": True, "beliefs": belief_list(trial.found, redaction), **payloads(trial.seen, redaction)}
    written: dict[str, Any] = json.loads(json.dumps(evidence))
    return written


def differences(azure: Mapping[str, Any], laptop: Mapping[str, Any]) -> list[str]:
    """Say in what a trial of the laptop Azure came out otherwise than one in Azure did.

    What one of them did not see is no difference. Of an answer, Azure's may have more than the laptop's.
    """
    verdicts = {each["belief"]: each["verdict"] for each in laptop["beliefs"]}
    found = [
        f"{each['belief']} in Azure: {each['verdict']}; on the laptop: {verdicts.get(each['belief'])}"
        for each in azure["beliefs"]
        if "not-seen" not in {each["verdict"], verdicts.get(each["belief"])}
        and each["verdict"] != verdicts.get(each["belief"])
    ]
    for name in sorted(set(azure["answers"]) & set(laptop["answers"])):
        theirs, ours = azure["answers"][name][-1], laptop["answers"][name][-1]
        if theirs["status"] < 300 and ours["status"] < 300 and "left out" not in (theirs["body"], ours["body"]):
            found += not_azures(ours["body"], theirs["body"], name)
    return found


def not_azures(ours: object, theirs: object, where: str) -> list[str]:
    """Give the fields of an answer of the laptop that Azure's answer has not."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        shared = [
            each for key in ours if key in theirs for each in not_azures(ours[key], theirs[key], f"{where}.{key}")
        ]
        return [*(f"{where}.{key} is not in Azure's" for key in ours if key not in theirs), *shared]
    if isinstance(ours, list) and isinstance(theirs, list):
        return not_azures(ours[0], theirs[0], f"{where}[0]") if ours and theirs else []
    return [] if type(ours) is type(theirs) else [f"{where} is {type(theirs).__name__} in Azure's"]


def trial_of_laptop(folder: Path) -> dict[str, Any]:
    """Give the evidence of a trial of the laptop Azure, as it is."""

    async def story() -> Trial:
        async with open_beneath(folder) as beneath:
            return await asyncio.to_thread(tried, folder / "trial", beneath, 1, Turning(), STEPS)

    return evidence_of(asyncio.run(story()))


@pytest.mark.parametrize("file", ADOPTED, ids=lambda file: str(file.name))
def test_the_app_reads_what_azure_sent(file: Path, tmp_path: Path) -> None:
    """And the laptop Azure does the like, and sends the like."""
    evidence = json.loads(file.read_text(encoding="utf-8"))
    hold(evidence)
    assert differences(evidence, trial_of_laptop(tmp_path)) == []


def test_what_a_trial_brought_is_adopted_and_held_against_the_laptop(tmp_path: Path) -> None:
    """From the trial's own file to a fixture, marks, and red tests where the laptop Azure differs."""
    laptop = trial_of_laptop(tmp_path)
    file, page = tmp_path / "trial-2030-01-02.json", tmp_path / "page.md"
    file.write_text(json.dumps(laptop | {"laptop": False}), encoding="utf-8")
    shutil.copy(PAGE, page)
    fixture = adopt(file, tmp_path / "fixtures", page)
    marks = page.read_text(encoding="utf-8").count("| holds, 2030-01-02 |")
    assert marks == sum(each["verdict"] == "holds" for each in laptop["beliefs"]) > 60
    azure = json.loads(fixture.read_text(encoding="utf-8"))
    hold(azure)
    assert differences(azure, laptop) == []

    azure["beliefs"] = [
        each | ({"verdict": "does-not-hold"} if each["belief"] == "E4" else {}) for each in azure["beliefs"]
    ]
    assert differences(azure, laptop) == ["E4 in Azure: does-not-hold; on the laptop: holds"]
    del azure["answers"]["VM right after the tag"][-1]["body"]["properties"]["priority"]
    assert differences(azure, laptop)[1:] == ["VM right after the tag.properties.priority is not in Azure's"]
    next(each["event"] for each in azure["events"] if laptops(each["event"]))["data"]["more"] = True
    with pytest.raises(AssertionError, match="'more' is missing"):
        hold(azure)


def test_an_answer_may_have_more_in_azure_than_on_the_laptop() -> None:
    """But not less, nor something else in its place."""
    assert not_azures({"a": [{"b": 1}]}, {"a": [{"b": 2, "c": 3}], "d": 4}, "VM") == []
    assert not_azures({"a": []}, {"a": [1]}, "VM") == []
    assert not_azures({"a": [{"b": 1}]}, {"a": [{"b": "1"}]}, "VM") == ["VM.a[0].b is str in Azure's"]


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
