"""A watch beside a fleet: what really happens is seen and judged, nothing is written to Azure, and Ctrl-C ends it."""

from __future__ import annotations

import asyncio
import json
from argparse import Namespace
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from localazure.trial.ground import open_beneath
from spot_responder.commands.trials.watch import watch
from spot_responder.trial.clock import AzuresClock
from spot_responder.trial.fleet import watch_fleet
from spot_responder.trial.views.about_fleet import watched
from spot_responder.trial.views.observations import Observations, Shown
from tests.trial.harness.made_up import DOWN, FAILS, HOLDS, UNSEEN, UP, VM, at, bad, ok, seen
from tests.trial.harness.trials import now, open_trial

if TYPE_CHECKING:
    from pathlib import Path

    from spot_responder.intake.vms import PowerState
    from spot_responder.trial.views.observations import Answered
    from spot_responder.trial.views.verdicts import Verdict

PREEMPTED, STOPPED = "VirtualMachinePreempted", "VirtualMachineDeallocationInitiated"
KEY = VM.lower()


def test_a_real_eviction_is_seen_and_ctrl_c_ends_the_watch(tmp_path: Path) -> None:
    """With its evidence written, and nothing of the subscription in it."""

    async def story() -> None:
        async with open_beneath(tmp_path) as beneath, open_trial(tmp_path / "here", beneath, "aaaaaaaa") as tried:
            world, field = tried.ground.world, tried.field
            machine = world.add_vm("fleet-1", resource_group="rg-fleet")
            watching = asyncio.create_task(
                watch_fleet(field.azure, field.plan.subscription, field.seen, now, every_s=0.05)
            )
            await field.until(lambda: field.seen.fleet, 30)
            world.evict(machine.vm_id)
            assert await field.until(lambda: watched(field.seen)["E1"].verdict is HOLDS, 30)
            watching.cancel()

            told = asyncio.Event()
            words = Namespace(on_laptop=True, subscription=field.plan.subscription, out=tmp_path / "out")
            command = asyncio.create_task(watch(words, field.azure, AzuresClock(now), lambda _: told.set()))
            await told.wait()
            await asyncio.sleep(0)
            command.cancel()
            result = await command
            assert result.text is not None
            line = result.text(None)  # type: ignore[arg-type]
            assert line.count("\n") == 1
            assert "holds" in line
            (file,) = (tmp_path / "out").glob("watch-*.json")
            assert {each["belief"] for each in json.loads(file.read_text())["beliefs"]} == {"E1", "E4", "E6", "E7"}
            assert field.plan.subscription not in file.read_text()
            assert field.journal.remains() == []

    asyncio.run(story())


def _shown(seconds: float, state: PowerState, annotation: str = "") -> Shown:
    return Shown(at(seconds), KEY, state, annotation, at(seconds) if annotation else None)


def _log(*entries: dict[str, Any]) -> Answered:
    return ok({"value": [*entries, "odd"]}, when=3600)


def _entry(operation: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"operationName": {"value": f"Microsoft.Compute/virtualMachines/{operation}"}, "resourceId": VM, **more}


def _failed(code: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    told = {"status": {"value": "Failed"}, "properties": {"statusMessage": f'{{"code": "{code}"}}'}}
    return _entry("start/action", **{"eventTimestamp": at(50).isoformat(), **told, **more})


def _seen(*fleet: Shown, log: Answered | None = None) -> Observations:
    return seen({"activity log": log} if log is not None else {}, fleet=list(fleet))


GONE = (_shown(0, UP), _shown(10, DOWN, PREEMPTED))
CASES: list[tuple[str, Verdict, Observations]] = [
    ("E1", UNSEEN, _seen(_shown(0, UP))),
    ("E1", UNSEEN, seen(missed={"fleet": "Resource Graph: 403"})),
    ("E1", HOLDS, _seen(*GONE)),
    ("E1", FAILS, _seen(_shown(0, UP), _shown(9, DOWN), log=_log(_entry("evictSpotVM/action")))),
    ("E1", UNSEEN, _seen(_shown(0, UP), _shown(3300, DOWN), log=_log(_entry("evictSpotVM/action")))),
    ("E6", UNSEEN, _seen(*GONE, log=replace(_log(_failed("AllocationFailed")), at=at(300)))),
    ("E4", UNSEEN, _seen(_shown(0, UP), _shown(3300, DOWN, PREEMPTED), log=_log())),
    ("E4", UNSEEN, _seen(*GONE)),
    ("E4", UNSEEN, _seen(*GONE, log=bad(403, "x"))),
    ("E4", HOLDS, _seen(*GONE, log=_log())),
    ("E4", HOLDS, _seen(*GONE, _shown(20, UP), _shown(90, DOWN, STOPPED), log=_log())),
    ("E4", FAILS, _seen(*GONE, _shown(20, DOWN, STOPPED), log=_log())),
    ("E4", HOLDS, _seen(*GONE, _shown(20, DOWN, STOPPED), log=_log(_entry("deallocate/action")))),
    ("E6", UNSEEN, _seen(*GONE, log=ok("odd"))),
    ("E6", UNSEEN, _seen(*GONE, log=_log(_failed("ScopeLocked"), _failed("AllocationFailed", eventTimestamp="")))),
    ("E6", HOLDS, _seen(*GONE, log=_log(_failed("SkuNotAvailable")))),
    ("E6", FAILS, _seen(*GONE, _shown(60, DOWN, STOPPED), log=_log(_failed("AllocationFailed")))),
    ("E1", UNSEEN, _seen(_shown(0, DOWN, PREEMPTED))),
    ("E6", HOLDS, _seen(*GONE, _shown(60, UP), _shown(99, DOWN, STOPPED), log=_log(_failed("AllocationFailed")))),
    (
        "E6",
        HOLDS,
        _seen(*GONE, _shown(60, DOWN, STOPPED), log=_log(_failed("AllocationFailed"), _entry("deallocate/action"))),
    ),
    ("E6", UNSEEN, _seen(*GONE, log=_log(_failed("AllocationFailed", resourceId="/somebody-elses")))),
    ("E7", UNSEEN, _seen(*GONE, log=bad(403, "x"))),
    ("E7", HOLDS, seen({"activity log": [_log(_entry("evictSpotVM/action")), _log()]}, fleet=list(GONE))),
]


@pytest.mark.parametrize(("belief", "verdict", "observations"), CASES)
def test_what_was_watched_is_judged(belief: str, verdict: Verdict, observations: Observations) -> None:
    """Where it tells anything."""
    assert watched(observations)[belief].verdict is verdict, watched(observations)[belief]


def test_what_does_not_change_is_noted_once() -> None:
    """By the VM, whatever others do meanwhile."""
    found = Observations("")
    for each in (_shown(0, UP), _shown(1, UP), _shown(2, DOWN)):
        found.show(each)
    assert [each.at for each in found.fleet] == [at(0), at(2)]
