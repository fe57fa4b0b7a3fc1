"""What is made of a change of size, where the laptop Azure shows nothing of the kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spot_responder.trial.views.about_sizes import CHANGE
from tests.trial.harness.made_up import FAILS, HOLDS, JUDGES, ROW, UNSEEN, bad, ok, rows, seen

if TYPE_CHECKING:
    from spot_responder.trial.views.observations import Answered, Observations
    from spot_responder.trial.views.verdicts import Verdict

BEFORE, AFTER = "VM before the change of size", "VM of another size"
ANNOTATED, STILL = "annotations after the eviction", "annotations after the change of size"
OLD_ETAG = "change with the old ETag"


def _vm(state: str = "deallocated", **changes: object) -> Answered:
    properties: dict[str, Any] = {
        "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
        "priority": "Spot",
        "evictionPolicy": "Deallocate",
        "billingProfile": {"maxPrice": 0.4},
        "instanceView": {"statuses": [{"code": "ProvisioningState/succeeded"}, {"code": f"PowerState/{state}"}]},
    }
    return ok({"properties": properties | changes})


def _told(belief: str, observations: Observations) -> str:
    return JUDGES[belief](observations).how


CASES: list[tuple[str, Verdict, Observations]] = [
    ("S8", UNSEEN, seen()),
    ("S8", UNSEEN, seen({BEFORE: _vm(), AFTER: bad(404, "x")})),
    ("S8", UNSEEN, seen({BEFORE: ok({}), AFTER: ok({})})),
    ("S8", HOLDS, seen({BEFORE: _vm(), AFTER: _vm("Deallocated")})),
    ("S8", FAILS, seen({BEFORE: _vm(), AFTER: _vm("starting")})),
    ("S8", FAILS, seen({BEFORE: _vm(), AFTER: _vm(priority="Regular")})),
    ("S8", FAILS, seen({BEFORE: _vm(), AFTER: _vm(billingProfile={"maxPrice": -1})})),
    ("S8", FAILS, seen({BEFORE: _vm(), AFTER: _vm(evictionPolicy="Delete")})),
    ("S8", UNSEEN, seen({BEFORE: _vm(), AFTER: _vm(instanceView=None)})),
    ("S9", UNSEEN, seen()),
    ("S9", HOLDS, seen({OLD_ETAG: bad(412, "ConditionNotMet")})),
    ("S9", FAILS, seen({OLD_ETAG: ok()})),
    ("S9", UNSEEN, seen({OLD_ETAG: bad(409, "Conflict")})),
    ("S12", UNSEEN, seen({STILL: rows(ROW)})),
    ("S12", UNSEEN, seen({ANNOTATED: rows(), STILL: rows()})),
    ("S12", HOLDS, seen({ANNOTATED: rows({"properties": ROW}), STILL: rows({"properties": ROW})})),
    ("S12", FAILS, seen({ANNOTATED: rows({"properties": ROW}), STILL: rows()})),
]


@pytest.mark.parametrize(("belief", "verdict", "observations"), CASES)
def test_a_change_of_size_is_judged_by_what_was_seen(belief: str, verdict: Verdict, observations: Observations) -> None:
    """And by nothing else."""
    assert JUDGES[belief](observations).verdict is verdict


def test_why_no_size_was_changed_is_told() -> None:
    """As Azure refused it."""
    refused = seen(missed={CHANGE: "Standard_D4s_v5: 409 OperationNotAllowed"})
    assert {_told(belief, refused) for belief in ("S8", "S12")} == {"Standard_D4s_v5: 409 OperationNotAllowed"}
    assert _told("S9", seen(missed={OLD_ETAG: "the VM has no ETag"})) == "the VM has no ETag"
