"""What the demo makes of its work queue: the figures that checks read, and whether all is as expected."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from localazure.demo.jobs.ending import Done
from localazure.demo.jobs.team_worker import OwnFunction
from localazure.demo.jobs.work import Claim, ClaimEnd
from localazure.demo.work_queue.ending import VmTime, WorkEnding
from localazure.demo.work_queue.scenario import worker_that_stops_its_vm
from localazure.guests.guest import Place

if TYPE_CHECKING:
    from pathlib import Path

CLAIMS: Final = (
    Claim("frame-1", 0, "a", 1, 7.5, 9.5, ClaimEnd.CUT_OFF),
    Claim("frame-1", 1, "b", 1, 8.5, 10.5, ClaimEnd.FINISHED),
    Claim("frame-1", 0, "a", 2, 20.0, 22.0, ClaimEnd.FINISHED),
)
VM: Final = VmTime("frame-1", ((4.0, 12.0), (15.0, 34.0)), is_deallocated=True, stopped_itself=True, evicted_s=11.0)
NOT_NEEDED: Final = VmTime("frame-2", (), is_deallocated=True, stopped_itself=False)
DONE: Final = (Done("a", 1, is_right=True, attempts=2), Done("b", 2, is_right=True, attempts=1))
ENDING: Final = WorkEnding("spotwork/frames", 2, 2.0, DONE, ("b", "a"), CLAIMS, (VM, NOT_NEEDED))


def test_the_figures_are_measured() -> None:
    """Two jobs, one of which was cut off: the VM was up for 27 seconds, and had a job in five of them."""
    assert ENDING.is_as_expected
    assert ENDING.row() == {
        "queue": "spotwork/frames",
        "jobs": 2,
        "results": 2,
        "lost": 0,
        "doubled": 0,
        "vms_started": 1,
        "vms_up_at_end": 0,
        "first_claim_s": 5.5,
        "vm_seconds": 27.0,
        "busy_vm_seconds": 5.0,
    }
    assert ENDING.words() == "spotwork/frames: jobs 2, results 2, VMs started 1, still up 0"


def test_what_went_wrong_shows() -> None:
    """Lost, finished twice, a wrong result, still up, stopped by somebody else, or not back after its eviction."""
    assert replace(ENDING, done=DONE[:1]).lost == 1
    assert replace(ENDING, finished=("b", "a", "a")).doubled == 1
    assert replace(ENDING, vms=(replace(VM, is_deallocated=False),)).up_at_end == 1
    for wrong in (
        replace(ENDING, done=DONE[:1]),
        replace(ENDING, done=(DONE[0], replace(DONE[1], is_right=False))),
        replace(ENDING, finished=("b", "a", "a")),
        replace(ENDING, vms=(replace(VM, is_deallocated=False),)),
        replace(ENDING, vms=(replace(VM, stopped_itself=False),)),
        replace(ENDING, vms=(replace(VM, up=VM.up[:1]),)),
    ):
        assert not wrong.is_as_expected


def test_the_table_says_how_each_vm_ended() -> None:
    """And that nothing was claimed, where nothing was."""
    assert "evicted, came back, deallocated itself" in ENDING.summary()
    assert "was not needed" in ENDING.summary()
    assert (
        "2 jobs, 2 results, 0 lost, 0 doubled; the first job was claimed 5.5 s after they arrived" in ENDING.summary()
    )
    assert "<- did not deallocate itself" in replace(ENDING, vms=(replace(VM, is_deallocated=False),)).summary()
    nothing = replace(ENDING, claims=(), done=(), finished=())
    assert nothing.row()["first_claim_s"] is None
    assert nothing.summary().endswith("2 jobs, 0 results, 2 lost, 0 doubled; no job was claimed\n")


def test_a_worker_calls_a_function_of_ones_own_where_that_is_asked_for(tmp_path: Path) -> None:
    """`make run FUNCTION=frames:render WORK=folder`: found in that folder, and nothing of it is copied."""
    place = Place("http://imds", tmp_path, "", "UseDevelopmentStorage=true", "http://arm")
    own = worker_that_stops_its_vm(place, OwnFunction("frames:render", tmp_path / "mine"))
    assert "frames:render" in own.arguments
    assert own.environment["PYTHONPATH"] == str(tmp_path / "mine")
    teams = worker_that_stops_its_vm(place)
    assert "hash_chain:work" in teams.arguments
    assert "PYTHONPATH" not in teams.environment
