"""Notices in virtual time: what the agent does about an event, as seen from outside the VM."""

from __future__ import annotations

import pytest

from spot_agent.deciding.documents import Document
from spot_agent.deciding.heard import DocumentRead
from spot_agent.deciding.state import Stage
from virtual_vm.event import event, started
from virtual_vm.parts import VirtualHook
from virtual_vm.vm import MACHINE, VirtualVm

ID = "C1BF8322-4CBF-4FC4-9C45-B40CF3106D0E"
SAVE = VirtualHook("save", 3.0)


def times(vm: VirtualVm, kind: str, what: str) -> list[float]:
    """Say when something was done."""
    return [round(deed.at, 1) for deed in vm.deeds if (deed.kind, deed.what) == (kind, what)]


def phases(vm: VirtualVm) -> list[str]:
    """Give the history, short."""
    return [f"{line.phase}: {line.outcome}" for line in vm.disk.history]


def test_an_eviction_is_acted_upon_at_once(vm: VirtualVm) -> None:
    """Within a second of being shown: health, hooks, units and message, all at the same time."""
    vm.hooks["preempt"] = [SAVE, VirtualHook("leave-pool", 0.2)]
    shown = vm.time.seconds
    vm.events = [event(vm.time)]
    vm.wait(1.2)
    for kind, what in (("health", "503"), ("hook", "preempt/save"), ("hook", "preempt/leave-pool"), ("units", "stop")):
        assert len(times(vm, kind, what)) == 1
        assert shown <= times(vm, kind, what)[0] <= shown + 1.1
    assert vm.did("told") == [f"{ID}/EvictionNotice"]
    assert vm.disk.state is not None
    assert '"acting"' in vm.disk.state
    vm.wait(5)
    assert "essential: ok" in phases(vm)
    assert "finished: ok" in phases(vm)
    assert vm.did("acknowledge") == []


def test_what_failed_is_not_called_ok(vm: VirtualVm) -> None:
    """Hooks and units: whoever reads the history later must not take it for saved."""
    vm.units_outcome = "systemctl stop failed with 5: no such unit"
    vm.hooks["preempt"] = [VirtualHook("save", 1.0, "exit code 1"), VirtualHook("logs", 9.0, is_essential=False)]
    vm.events = [event(vm.time)]
    vm.wait(3)
    assert "essential: over, 2 failed" in phases(vm)
    vm.hooks["preempt"] = []
    vm.wait(12)
    assert phases(vm)[-1] == "finished: over, 2 failed"


def test_hooks_are_told_what_happens(vm: VirtualVm) -> None:
    """By variables, in whole seconds."""
    vm.hooks["preempt"] = [SAVE]
    vm.events = [event(vm.time, notice_s=20)]
    vm.wait(1.2)
    told = next(deed.more for deed in vm.deeds if deed.kind == "hook")
    assert told["SPOT_AGENT_EVENT_ID"] == ID
    assert told["SPOT_AGENT_EVENT_TYPE"] == "Preempt"
    assert 18 <= int(told["SPOT_AGENT_SECONDS_LEFT"]) <= 20
    assert told["SPOT_AGENT_RECOVERY_ID"] == ""


def test_what_is_not_essential_waits_for_what_is() -> None:
    """It begins when the essential hooks are over, or after 5 seconds."""
    logs = VirtualHook("logs", 2.0, is_essential=False)
    for save_s, begins_after in ((1.0, 1.0), (9.0, 5.0)):
        fresh = VirtualVm()
        fresh.hooks["preempt"] = [VirtualHook("save", save_s), logs]
        fresh.begin()
        fresh.wait(2)
        fresh.events = [event(fresh.time)]
        fresh.wait(15)
        (began,) = times(fresh, "hook", "preempt/save")
        assert times(fresh, "hook", "preempt/logs") == [pytest.approx(began + begins_after, abs=0.2)]
    assert "essential: not over after 5 s" in phases(fresh)
    assert "finished: ok" in phases(fresh)


@pytest.mark.parametrize("notice_s", [3.0, 8.5])
def test_with_little_time_left_only_the_essential_is_done(vm: VirtualVm, notice_s: float) -> None:
    """With 3 seconds the rest would take time from what matters most."""
    vm.hooks["preempt"] = [VirtualHook("save", 2.0), VirtualHook("logs", 2.0, is_essential=False)]
    vm.events = [event(vm.time, notice_s=notice_s)]
    vm.wait(10)
    assert vm.did("hook") == ["preempt/save"]
    assert any(line.startswith("rest: left out") for line in phases(vm))


def test_an_eviction_that_is_first_seen_as_started_is_acted_upon(vm: VirtualVm) -> None:
    """No time is left; what is essential is tried."""
    vm.hooks["preempt"] = [SAVE]
    vm.events = [started(event(vm.time))]
    vm.wait(2)
    assert vm.did("hook") == ["preempt/save"]
    told = next(deed.more for deed in vm.deeds if deed.kind == "told")
    assert (told["data"]["eventStatus"], told["data"]["secondsLeft"]) == ("Started", 0.0)


def test_a_hook_that_does_not_end_is_ended(vm: VirtualVm) -> None:
    """By SIGTERM after 20 seconds, by SIGKILL after 25; everything is over by then."""
    vm.hooks["preempt"] = [VirtualHook("hangs", 1000, obeys=False), VirtualHook("slow", 1000)]
    vm.events = [event(vm.time)]
    vm.wait(27)
    (began,) = times(vm, "hook", "preempt/hangs")
    assert times(vm, "hook ended", "preempt/slow") == [pytest.approx(began + 20, abs=0.2)]
    assert times(vm, "hook ended", "preempt/hangs") == [pytest.approx(began + 25, abs=0.2)]
    assert phases(vm)[-1] == "finished: over, 2 failed"


@pytest.mark.parametrize(("kind", "ends_after_s"), [("Reboot", 100), ("Preempt", 20)])
def test_a_hook_may_have_a_limit_of_its_own(vm: VirtualVm, kind: str, ends_after_s: float) -> None:
    """Longer ones only before maintenance, which is announced by minutes."""
    vm.hooks[kind.lower()] = [VirtualHook("save", 1000, limit_s=100)]
    vm.events = [event(vm.time, kind, notice_s=600 if kind == "Reboot" else 30)]
    vm.wait(130)
    (began,) = times(vm, "hook", f"{kind.lower()}/save")
    assert times(vm, "hook ended", f"{kind.lower()}/save") == [pytest.approx(began + ends_after_s, abs=0.2)]


def test_hooks_before_maintenance_end_before_it_begins(vm: VirtualVm) -> None:
    """Ten seconds before, whatever their limit."""
    vm.hooks["reboot"] = [VirtualHook("save", 1000, limit_s=1000)]
    vm.events = [event(vm.time, "Reboot", notice_s=60)]
    vm.wait(80)
    (began,) = times(vm, "hook", "reboot/save")
    assert times(vm, "hook ended", "reboot/save") == [pytest.approx(began + 50, abs=1.1)]


@pytest.mark.parametrize("kind", ["Reboot", "Redeploy", "Terminate"])
def test_maintenance_is_acknowledged_once_all_is_saved(vm: VirtualVm, kind: str) -> None:
    """Azure need not wait any longer, and begins."""
    vm.hooks[kind.lower()] = [SAVE]
    vm.events = [event(vm.time, kind, notice_s=600)]
    vm.wait(2)
    assert not vm.takes_work()
    assert vm.did("acknowledge") == []
    vm.wait(10)
    assert vm.did("acknowledge") == [ID]
    assert vm.did("told") == [f"{ID}/Maintenance"]
    assert "acknowledged: ok" in phases(vm)


def test_an_acknowledgement_that_fails_is_tried_again(vm: VirtualVm) -> None:
    """Every five seconds, until the event starts."""
    vm.acknowledge_outcome = "the metadata service answers 500"
    vm.events = [event(vm.time, "Reboot", notice_s=600)]
    vm.wait(8)
    assert vm.did("acknowledge") == [ID, ID]
    vm.events = [started(vm.events[0])]
    vm.wait(20)
    assert len(vm.did("acknowledge")) <= 3


@pytest.mark.parametrize("kind", ["Reboot", "Freeze"])
def test_what_names_others_too_is_not_acknowledged(vm: VirtualVm, kind: str) -> None:
    """An acknowledgement would let Azure begin with them as well."""
    vm.events = [event(vm.time, kind, notice_s=600, resources=("render-1", "render-2"), duration_s=5)]
    vm.wait(30)
    assert vm.did("told") == [f"{ID}/Maintenance"]
    assert vm.did("acknowledge") == []


def test_what_is_days_ahead_and_shared_begins_later(vm: VirtualVm) -> None:
    """It is told at once; the VM works on until twenty minutes before."""
    vm.events = [event(vm.time, "Redeploy", notice_s=3 * 3600, resources=("render-1", "render-2"))]
    vm.wait(60)
    assert vm.did("told") == [f"{ID}/Maintenance"]
    assert vm.takes_work()
    vm.wait(3 * 3600 - 19 * 60)
    assert not vm.takes_work()


def test_a_short_freeze_is_acknowledged_at_once_and_drains_nothing(vm: VirtualVm) -> None:
    """A pause of seconds costs less than a drain."""
    vm.hooks["freeze"] = [VirtualHook("flush", 4.0)]
    vm.events = [event(vm.time, "Freeze", notice_s=900, duration_s=5)]
    vm.wait(1.2)
    assert vm.did("acknowledge") == [ID]
    assert vm.did("hook") == ["freeze/flush"]
    vm.events = [started(vm.events[0])]
    vm.wait(10)
    vm.events = []
    vm.wait(10)
    assert vm.did("health") == ["200"]
    assert phases(vm)[-1] == "over: ok"


def test_a_long_freeze_is_left_to_its_time(vm: VirtualVm) -> None:
    """Azure does not say how long, so nobody hurries it."""
    vm.events = [event(vm.time, "Freeze", notice_s=900, duration_s=-1)]
    vm.wait(30)
    assert vm.did("acknowledge") == []


def test_a_rebalance_recommendation_is_advice(vm: VirtualVm) -> None:
    """Its hooks run and it is told; the VM goes on working."""
    vm.hooks["rebalance"] = [VirtualHook("checkpoint", 9.0), VirtualHook("more", 1.0, is_essential=False)]
    vm.hooks["cancelled"] = [VirtualHook("take-work-again")]
    vm.events = [event(vm.time, "SpotRebalanceRecommendation", notice_s=None)]
    vm.wait(30)
    assert vm.did("told") == [f"{ID}/Maintenance"]
    assert vm.did("hook") == ["rebalance/checkpoint", "rebalance/more"]
    assert vm.takes_work()
    assert vm.did("units") == []
    vm.events = []
    vm.wait(5)
    assert vm.did("hook")[-1] == "cancelled/take-work-again"


def test_an_unknown_type_is_written_down(vm: VirtualVm) -> None:
    """Once; nothing is done."""
    vm.events = [event(vm.time, "Hibernate")]
    vm.wait(10)
    assert phases(vm) == ["detected: this type of event is not known: nothing is done"]
    assert vm.takes_work()


def test_many_of_an_unknown_type_are_written_down_once_each(vm: VirtualVm) -> None:
    """However many are shown for however long."""
    vm.events = [event(vm.time, "Hibernate", event_id=f"event-{number}") for number in range(100)]
    vm.wait(20)
    assert len(vm.disk.history) == 100
    vm.events = vm.events[:1]
    vm.wait(3)
    vm.kill()
    vm.begin()
    vm.wait(5)
    assert len([one for one in vm.disk.history if one.event_type == "Hibernate"]) == 100


def test_an_event_whose_type_becomes_unknown_keeps_its_own(vm: VirtualVm) -> None:
    """It goes on as what it was, and hides no other event."""
    vm.hooks = {"reboot": [SAVE], "preempt": [SAVE]}
    reboot = event(vm.time, "Reboot", event_id="reboot", notice_s=600)
    vm.events = [reboot]
    vm.wait(3)
    vm.events = [{**reboot, "EventType": "Hibernate"}, event(vm.time)]
    vm.wait(5)
    assert vm.did("hook") == ["reboot/save", "preempt/save"]
    assert not vm.takes_work()
    vm.events = []
    vm.wait(20)
    assert vm.takes_work()


def test_maintenance_is_not_acknowledged_while_an_eviction_is_acted_upon(vm: VirtualVm) -> None:
    """Azure would reboot the VM amid what is being saved."""
    vm.hooks = {"reboot": [VirtualHook("sync")], "preempt": [VirtualHook("save", 8.0)]}
    vm.events = [event(vm.time, "Reboot", event_id="reboot", notice_s=600), event(vm.time, notice_s=60)]
    vm.wait(5)
    assert vm.did("acknowledge") == []
    vm.wait(10)
    assert vm.did("acknowledge")[:1] == ["reboot"]
    (saved,) = times(vm, "hook ended", "preempt/save")
    assert times(vm, "acknowledge", "reboot")[0] >= saved


def test_a_siblings_event_is_none_of_ours(vm: VirtualVm) -> None:
    """In a scale set every VM sees the events of all."""
    vm.events = [event(vm.time, resources=("render-2", "render-10")), event(vm.time, event_id="two", resources=())]
    vm.wait(60)
    assert vm.disk.history == []
    assert vm.takes_work()
    assert vm.did("told") == []


def test_our_name_is_known_in_any_casing(vm: VirtualVm) -> None:
    """As Azure writes it at times."""
    vm.events = [event(vm.time, resources=("RENDER-1",))]
    vm.wait(2)
    assert not vm.takes_work()


def test_a_cancelled_eviction_is_undone(vm: VirtualVm) -> None:
    """Gone while Scheduled and before its time: hooks are stopped, units started, work is taken again."""
    vm.hooks = {"preempt": [VirtualHook("save", 15.0)], "cancelled": [VirtualHook("go-on", 3.0)]}
    vm.events = [event(vm.time)]
    vm.wait(5)
    vm.events = []
    vm.wait(8)
    assert vm.did("hook") == ["preempt/save", "cancelled/go-on"]
    assert vm.did("units") == ["stop", "start"]
    assert vm.did("health") == ["200", "503", "200"]
    assert "cancelled: ok" in phases(vm)
    assert any("was asked to end" in line for line in phases(vm))
    assert vm.did("told") == [f"{ID}/EvictionNotice"]


def test_one_answer_without_the_event_cancels_nothing(vm: VirtualVm) -> None:
    """The service may be wrong for a moment."""
    vm.events = shown = [event(vm.time)]
    vm.wait(3)
    vm.events = []
    vm.wait(1)
    vm.events = shown
    vm.wait(5)
    assert "cancelled: ok" not in phases(vm)
    assert not vm.takes_work()


def test_an_answer_in_which_something_is_unreadable_cancels_nothing(vm: VirtualVm) -> None:
    """The event may be what could not be read."""
    vm.events = [event(vm.time)]
    vm.wait(3)
    vm.events = [{"EventId": None}]
    vm.wait(10)
    assert "cancelled: ok" not in phases(vm)


def test_an_eviction_that_was_cancelled_may_come_back(vm: VirtualVm) -> None:
    """It is acted upon again, and told once."""
    vm.hooks["preempt"] = [SAVE]
    vm.events = shown = [event(vm.time, notice_s=60)]
    vm.wait(8)
    vm.events = []
    vm.wait(8)
    vm.events = shown
    vm.wait(2)
    assert vm.did("hook") == ["preempt/save", "preempt/save"]
    assert vm.did("told") == [f"{ID}/EvictionNotice"]
    assert not vm.takes_work()


def test_the_id_of_a_message_keeps_its_casing(vm: VirtualVm) -> None:
    """However the event's id is written later."""
    vm.is_queue_out = True
    vm.events = [event(vm.time, event_id="ABC")]
    vm.wait(2)
    vm.events = [{**vm.events[0], "EventId": "abc"}]
    vm.wait(30)
    vm.is_queue_out = False
    vm.wait(120)
    assert vm.did("told") == ["ABC/EvictionNotice"]


def test_what_started_and_left_us_alive_is_over(vm: VirtualVm) -> None:
    """A reboot that turned out to be a freeze: the work is to go on, so it is recovered."""
    vm.hooks = {"reboot": [SAVE], "recover": [VirtualHook("load", 1.0)], "cancelled": [VirtualHook("no")]}
    vm.events = [event(vm.time, "Reboot", notice_s=600)]
    vm.wait(8)
    vm.events = [started(vm.events[0])]
    vm.wait(8)
    vm.events = []
    vm.wait(8)
    assert vm.did("hook") == ["reboot/save", "recover/load"]
    assert vm.did("units") == ["stop", "start"]
    assert vm.did("health") == ["200", "503", "200"]
    assert [name.rpartition("/")[2] for name in vm.did("told")] == ["Maintenance", "WorkloadReady"]


def test_what_vanishes_after_its_time_was_no_cancellation(vm: VirtualVm) -> None:
    """Though Started was never seen."""
    vm.hooks = {"recover": [VirtualHook("load", 1.0)], "cancelled": [VirtualHook("no")]}
    vm.events = [event(vm.time, notice_s=5)]
    vm.wait(12)
    vm.events = []
    vm.wait(8)
    assert vm.did("hook") == ["recover/load"]


def test_two_events_at_once(vm: VirtualVm) -> None:
    """Each has its hooks; the one that is cancelled starts nothing that the other one needs stopped."""
    vm.hooks = {"preempt": [SAVE], "reboot": [VirtualHook("sync")], "cancelled": [VirtualHook("go-on")]}
    reboot = event(vm.time, "Reboot", event_id="reboot", notice_s=600)
    preempt = event(vm.time, notice_s=60)
    vm.events = [reboot, preempt]
    vm.wait(10)
    assert sorted(vm.did("hook")) == ["preempt/save", "reboot/sync"]
    vm.events = [preempt]
    vm.wait(10)
    assert vm.did("units") == ["stop", "stop"]
    assert not vm.takes_work()
    vm.events = []
    vm.wait(10)
    assert vm.did("units") == ["stop", "stop", "start"]
    assert vm.takes_work()


def test_while_our_name_is_not_known_only_what_can_be_undone_is_done() -> None:
    """The VM is drained; hooks and units wait until we know that the event is ours."""
    vm = VirtualVm(has_units=True)
    vm.machine = None
    vm.hooks["preempt"] = [SAVE]
    vm.begin()
    vm.wait(2)
    vm.events = [event(vm.time), event(vm.time, "Freeze", event_id="f")]
    vm.wait(3)
    assert not vm.takes_work()
    assert (vm.did("hook"), vm.did("units"), vm.did("told")) == ([], [], [])
    vm.machine = MACHINE
    vm.wait(2)
    assert vm.did("hook") == ["preempt/save"]
    assert vm.did("told") == [f"{ID}/EvictionNotice", "f/Maintenance"]


def test_when_our_name_is_learnt_a_siblings_event_drains_us_no_longer() -> None:
    """It was none of ours."""
    vm = VirtualVm()
    vm.machine = None
    vm.begin()
    vm.events = [event(vm.time, resources=("render-2",))]
    vm.wait(3)
    assert not vm.takes_work()
    vm.machine = MACHINE
    vm.wait(3)
    assert vm.takes_work()
    assert phases(vm)[-1] == "not about this VM: ok"


def test_an_unknown_name_and_an_event_that_vanishes() -> None:
    """Nothing was begun, so nothing is undone but the drain."""
    vm = VirtualVm()
    vm.machine = None
    vm.begin()
    vm.events = [event(vm.time, resources=("render-2",))]
    vm.wait(3)
    vm.events = []
    vm.wait(4)
    assert vm.takes_work()
    assert phases(vm)[-1] == "cancelled: ok"


def test_the_name_is_kept_on_disk() -> None:
    """After a boot an eviction is acted upon though the service does not say who we are."""
    vm = VirtualVm()
    vm.hooks["preempt"] = [SAVE]
    vm.begin()
    vm.wait(2)
    vm.machine = None
    vm.reboot()
    vm.wait(3)
    vm.events = [event(vm.time)]
    vm.wait(2)
    assert vm.did("hook") == ["preempt/save"]


def test_a_full_disk_stops_nothing(vm: VirtualVm) -> None:
    """All is done, and told; only the record is missing."""
    vm.hooks["preempt"] = [SAVE]
    vm.disk.is_full = True
    vm.events = [event(vm.time)]
    vm.wait(8)
    assert vm.did("hook") == ["preempt/save"]
    assert vm.did("told") == [f"{ID}/EvictionNotice"]
    assert vm.disk.history == []
    vm.disk.is_full = False
    vm.wait(2)
    assert vm.disk.state is not None
    assert "finished" in vm.disk.state


def test_a_clock_that_is_off_by_minutes_costs_no_eviction() -> None:
    """Five seconds are assumed: the essential hooks run."""
    for error_s in (-300.0, 300.0):
        fresh = VirtualVm()
        fresh.time.clock_error_s = error_s
        fresh.hooks["preempt"] = [SAVE, VirtualHook("logs", is_essential=False)]
        fresh.begin()
        fresh.wait(2)
        fresh.events = [event(fresh.time)]
        fresh.wait(10)
        assert fresh.did("hook") == ["preempt/save"]


def test_an_answer_that_was_overtaken_is_left_aside(vm: VirtualVm) -> None:
    """It was asked for before the newer one, and would undo what that one said."""
    vm.events = [event(vm.time)]
    vm.answers_in_s = 0.9
    vm.poll = lambda: None if vm.time.seconds < 5 else vm.document()
    vm.wait(10)
    assert not vm.takes_work()
    old = vm.time.seconds - 8
    for _ in range(3):
        vm.say(1, DocumentRead(Document(()), old))
        vm.wait(0.9)
    assert "cancelled: ok" not in phases(vm)


def test_units_that_cannot_be_stopped_stop_nothing_else(vm: VirtualVm) -> None:
    """What went wrong is in the history."""
    vm.units_outcome = "systemctl stop failed with 5: no such unit"
    vm.events = [event(vm.time)]
    vm.wait(3)
    assert "stop-units: systemctl stop failed with 5: no such unit" in phases(vm)
    assert phases(vm)[-1] == "finished: over, 1 failed"


def test_sigterm_ends_after_the_phases_that_are_under_way(vm: VirtualVm) -> None:
    """And not before; that this was an ending in order stands on disk."""
    vm.hooks["preempt"] = [SAVE]
    vm.events = [event(vm.time)]
    vm.wait(2)
    vm.terminate()
    assert vm.did("ended") == []
    vm.wait(5)
    assert vm.did("ended") == [""]
    assert vm.disk.is_clean
    assert "finished: ok" in phases(vm)


def test_sigterm_with_nothing_under_way_ends_at_once(vm: VirtualVm) -> None:
    """Nothing is recovered after that."""
    vm.terminate()
    assert vm.did("ended") == [""]
    vm.begin()
    assert vm.takes_work()


def test_notices_of_stage_are_those_of_the_state_file() -> None:
    """Their words are in files on VMs: a change needs a new format."""
    assert [stage.value for stage in Stage] == ["noted", "acting", "saved", "finished", "undoing", "closed"]
