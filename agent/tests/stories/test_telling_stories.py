"""Telling the responder, in virtual time: three tries within six seconds, and nothing is lost with the process."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from virtual_vm.event import event
from virtual_vm.vm import MACHINE, VirtualVm

ID = "C1BF8322-4CBF-4FC4-9C45-B40CF3106D0E"
SAMPLES = Path(__file__).resolve().parents[3] / "tests" / "payloads" / "agent"


def outcomes(vm: VirtualVm) -> list[str]:
    """Say what became of tellings."""
    return [line.outcome for line in vm.disk.history if line.phase == "told"]


def test_a_message_that_the_queue_does_not_take_is_tried_three_times(vm: VirtualVm) -> None:
    """Within six seconds; then it is kept, and tried each minute."""
    vm.is_queue_out = True
    vm.events = [event(vm.time, notice_s=90)]
    vm.wait(8)
    tries = [deed.at for deed in vm.deeds if deed.kind == "try"]
    assert [at - tries[0] for at in tries] == pytest.approx([0, 2, 4], abs=0.1)
    assert outcomes(vm) == ["kept for later: the queue is out"]
    assert vm.unsent() == [f"{ID}/EvictionNotice"]
    vm.wait(70)
    assert outcomes(vm) == ["kept for later: the queue is out"]
    vm.is_queue_out = False
    vm.wait(70)
    assert vm.did("told") == [f"{ID}/EvictionNotice"]
    assert outcomes(vm)[-1] == "ok"
    assert vm.unsent() == []


def test_what_an_earlier_run_could_not_tell_is_told_late(vm: VirtualVm) -> None:
    """Under the same id, and marked."""
    vm.is_queue_out = True
    vm.events = [event(vm.time)]
    vm.wait(20)
    vm.kill()
    vm.events, vm.is_queue_out = [], False
    vm.wait(60)
    vm.reboot()
    vm.wait(5)
    late = {deed.what: deed.more["data"]["late"] for deed in vm.deeds if deed.kind == "told"}
    assert late.pop(f"{ID}/EvictionNotice") is True
    assert list(late.values()) == [False]


def test_what_is_told_and_not_yet_crossed_off_is_told_again_under_the_same_id(vm: VirtualVm) -> None:
    """The process died in between."""
    vm.events = [event(vm.time)]
    vm.wait(1.05)
    vm.kill()
    vm.reboot()
    vm.wait(5)
    assert vm.did("told").count(f"{ID}/EvictionNotice") == 2


def test_without_a_queue_nobody_is_told() -> None:
    """The agent is of use without a responder."""
    vm = VirtualVm(has_queue=False)
    vm.begin()
    vm.wait(2)
    vm.events = [event(vm.time)]
    vm.wait(5)
    vm.reboot()
    vm.wait(5)
    assert vm.did("told") == []
    assert vm.unsent() == []


def test_after_a_week_nobody_is_told_any_more(vm: VirtualVm) -> None:
    """A queue message lives for seven days."""
    vm.is_queue_out = True
    vm.events = [event(vm.time)]
    vm.wait(10)
    vm.time.clock_error_s = timedelta(days=7).total_seconds()
    vm.wait(70)
    assert vm.unsent() == []
    assert outcomes(vm)[-1] == "given up after 7 days"


def test_sigterm_waits_for_three_tries_and_no_longer(vm: VirtualVm) -> None:
    """What the queue did not take by then, the next run tells."""
    vm.is_queue_out = True
    vm.events = [event(vm.time, "Freeze", notice_s=900, duration_s=5)]
    vm.wait(1.2)
    vm.terminate()
    assert vm.did("ended") == []
    vm.wait(7)
    assert vm.did("ended") == [""]
    assert len(vm.unsent()) == 1


@pytest.mark.parametrize(
    ("sample", "kind"), [("eviction_notice", "Preempt"), ("maintenance", "Redeploy"), ("workload_ready", "")]
)
def test_messages_have_the_form_that_the_responder_reads(vm: VirtualVm, sample: str, kind: str) -> None:
    """Field by field, and type by type, as in the sample that both sides are held against."""
    if kind:
        vm.events = [event(vm.time, kind, notice_s=30 if kind == "Preempt" else 600)]
        vm.wait(2)
    vm.kill()
    vm.reboot()
    vm.wait(5)
    if not kind:
        vm.events = [event(vm.time, notice_s=10)]
        vm.wait(5)
        vm.kill()
        vm.events = []
        vm.reboot()
        vm.wait(5)
    expected = json.loads((SAMPLES / f"{sample}.json").read_text("utf-8"))
    said = [deed.more for deed in vm.deeds if deed.kind == "told" and deed.more["type"] == expected["type"]][-1]
    assert list(said) == list(expected)
    assert list(said["data"]) == list(expected["data"])
    assert {name: type(value) for name, value in said["data"].items()} == {
        name: type(value) for name, value in expected["data"].items()
    }
    assert said["source"] == said["subject"] == MACHINE.resource_id
    assert said["id"].rpartition("/")[2] == expected["id"].rpartition("/")[2]
    assert said["time"].endswith("Z")
