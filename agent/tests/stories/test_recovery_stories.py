"""What happens after the VM was down, in virtual time: the recovery is complete once for each unclean end."""

from __future__ import annotations

import pytest

from spot_agent.deciding.heard import Acknowledged, HookEnded, HooksOver, Sent, UnitsDone
from spot_agent.deciding.memory import Settings
from spot_agent.deciding.step import begin, is_ready
from virtual_vm.event import event, started
from virtual_vm.parts import VirtualHook
from virtual_vm.vm import MACHINE, VirtualVm

ID = "C1BF8322-4CBF-4FC4-9C45-B40CF3106D0E"
LOAD = VirtualHook("load", 4.0)


def recovery_ids(vm: VirtualVm, kind: str = "hook") -> list[str]:
    """Give the recovery ids that hooks were begun (``hook``), or ended (``hook ended``), with."""
    found = [deed.more for deed in vm.deeds if deed.kind == kind and deed.what.startswith("recover/")]
    return [(more[1] if isinstance(more, tuple) else more)["SPOT_AGENT_RECOVERY_ID"] for more in found]


def told(vm: VirtualVm, name: str) -> list[dict[str, object]]:
    """Give the data of the messages of a type."""
    return [deed.more["data"] for deed in vm.deeds if deed.kind == "told" and deed.what.endswith(name)]


@pytest.fixture
def evicted(vm: VirtualVm) -> VirtualVm:
    """Give a VM that was evicted with a notice, and is down for a minute."""
    vm.hooks = {"preempt": [VirtualHook("save", 1.0)], "recover": [LOAD]}
    vm.events = [event(vm.time)]
    vm.wait(20)
    vm.kill()
    vm.events = []
    vm.wait(60)
    return vm


def test_after_an_eviction_the_work_is_recovered_before_it_is_taken_again(evicted: VirtualVm) -> None:
    """Health says 503 until the hooks are done and the units started."""
    evicted.reboot()
    evicted.wait(3)
    assert not evicted.takes_work()
    evicted.wait(3)
    assert evicted.takes_work()
    assert evicted.did("units")[-1] == "start"
    evicted.wait(60)
    assert len(recovery_ids(evicted)) == 1


def test_the_responder_is_told_when_the_work_goes_on(evicted: VirtualVm) -> None:
    """With how long it stood still, and whether there had been a notice."""
    evicted.reboot()
    evicted.wait(10)
    (data,) = told(evicted, "WorkloadReady")
    assert data["recoveryId"] == recovery_ids(evicted)[0]
    assert data["bootId"] == "boot-2"
    assert data["hadNotice"] is True
    assert data["eventId"] == ID
    assert data["downForSeconds"] == pytest.approx(64.3, abs=0.2)
    assert data["late"] is False


def test_after_an_eviction_without_a_notice_too(vm: VirtualVm) -> None:
    """The notice is a bonus."""
    vm.hooks["recover"] = [LOAD]
    vm.kill()
    vm.wait(60)
    vm.reboot()
    vm.wait(10)
    (data,) = told(vm, "WorkloadReady")
    assert (data["hadNotice"], data["eventId"]) == (False, None)


def test_without_hooks_the_work_goes_on_by_itself(vm: VirtualVm) -> None:
    """It is told all the same."""
    vm.reboot()
    vm.wait(2)
    assert vm.takes_work()
    assert len(told(vm, "WorkloadReady")) == 1


def test_the_first_run_ever_recovers_nothing() -> None:
    """There was no work before."""
    vm = VirtualVm()
    vm.hooks["recover"] = [LOAD]
    vm.begin()
    vm.wait(5)
    assert vm.takes_work()
    assert recovery_ids(vm) == []


def test_a_restart_in_order_recovers_nothing_but_a_boot_does(vm: VirtualVm) -> None:
    """An upgrade of the agent leaves the work alone; after any boot the work is to go on."""
    vm.hooks["recover"] = [LOAD]
    vm.terminate()
    vm.begin()
    vm.wait(10)
    assert recovery_ids(vm) == []
    vm.terminate()
    vm.reboot()
    vm.wait(10)
    assert len(recovery_ids(vm)) == 1


def test_a_crash_of_the_agent_is_an_unclean_end_as_well(vm: VirtualVm) -> None:
    """In the same boot: nobody knows what it was in the midst of."""
    vm.hooks["recover"] = [LOAD]
    for _ in range(3):
        vm.kill()
        vm.begin()
        vm.wait(10)
    assert len(set(recovery_ids(vm, "hook ended"))) == 3


def test_an_interrupted_recovery_runs_again_under_the_same_id(evicted: VirtualVm) -> None:
    """However often; it is complete once."""
    for _ in range(4):
        evicted.reboot()
        evicted.wait(2)
    evicted.wait(20)
    assert len(recovery_ids(evicted)) == 4
    assert len(set(recovery_ids(evicted))) == 1
    assert len(recovery_ids(evicted, "hook ended")) == 1
    assert len(told(evicted, "WorkloadReady")) == 1


def test_the_id_is_the_same_though_the_disk_was_full(evicted: VirtualVm) -> None:
    """It follows from the run that ended, so it need not be written."""
    evicted.disk.is_full = True
    evicted.reboot()
    evicted.wait(2)
    evicted.reboot()
    evicted.wait(10)
    assert len(set(recovery_ids(evicted))) == 1


def test_what_was_interrupted_is_done_again_from_the_start(vm: VirtualVm) -> None:
    """Nobody knows what is left of what it did; the id says that it is the same recovery."""
    vm.hooks["recover"] = [VirtualHook("mount", 0.5), VirtualHook("load", 5.0)]
    vm.kill()
    vm.begin()
    vm.wait(2)
    vm.kill()
    vm.begin()
    vm.wait(10)
    assert vm.did("hook") == ["recover/mount", "recover/load", "recover/mount", "recover/load"]
    assert len(set(recovery_ids(vm))) == 1


def test_where_one_hook_fails_the_others_are_not_repeated(vm: VirtualVm) -> None:
    """Only what failed is tried again."""
    vm.hooks["recover"] = [VirtualHook("mount", 0.5), VirtualHook("load", 1.0, "exit code 1")]
    vm.reboot()
    vm.wait(9)
    assert vm.did("hook") == ["recover/mount", "recover/load", "recover/load"]


def test_a_recovery_that_fails_is_tried_again_and_the_vm_takes_no_work(vm: VirtualVm) -> None:
    """With longer pauses; WorkloadReady would be a lie."""
    vm.hooks["recover"] = [VirtualHook("load", 1.0, "exit code 1")]
    vm.reboot()
    vm.wait(120)
    assert 3 <= len(recovery_ids(vm)) <= 6
    assert not vm.takes_work()
    assert told(vm, "WorkloadReady") == []
    vm.hooks["recover"] = [LOAD]
    vm.wait(400)
    assert vm.takes_work()
    assert len(set(recovery_ids(vm))) == 1


def test_units_that_do_not_start_are_started_again(vm: VirtualVm) -> None:
    """The hooks that ended well are not repeated."""
    vm.hooks["recover"] = [LOAD]
    vm.units_outcome = "systemctl start failed with 1: "
    vm.reboot()
    vm.wait(5)
    assert not vm.takes_work()
    vm.units_outcome = "ok"
    vm.wait(20)
    assert vm.takes_work()
    assert len(recovery_ids(vm)) == 1


def test_a_notice_during_a_recovery_goes_first(vm: VirtualVm) -> None:
    """The recovery is stopped, and complete after the next boot, once."""
    vm.hooks = {"recover": [LOAD], "preempt": [VirtualHook("save", 1.0)]}
    vm.reboot()
    vm.wait(1)
    vm.events = [event(vm.time)]
    vm.wait(10)
    assert vm.did("hook") == ["recover/load", "preempt/save"]
    assert "interrupted" in [line.outcome for line in vm.disk.history]
    vm.kill()
    vm.events = []
    vm.wait(60)
    vm.reboot()
    vm.wait(20)
    assert len(set(recovery_ids(vm))) == 1
    assert len(recovery_ids(vm, "hook ended")) == 1
    assert len(told(vm, "WorkloadReady")) == 1


def test_a_notice_during_a_recovery_that_is_cancelled(vm: VirtualVm) -> None:
    """The recovery goes on, and starts the units."""
    vm.hooks = {"recover": [LOAD], "preempt": [VirtualHook("save", 1.0)], "cancelled": [VirtualHook("go-on")]}
    vm.reboot()
    vm.wait(1)
    vm.events = [event(vm.time)]
    vm.wait(5)
    vm.events = []
    vm.wait(15)
    assert vm.did("hook") == ["recover/load", "preempt/save", "cancelled/go-on", "recover/load"]
    assert vm.did("units") == ["stop", "start"]
    assert vm.takes_work()


def test_a_freeze_during_a_recovery_interrupts_nothing(vm: VirtualVm) -> None:
    """It drains nothing."""
    vm.hooks["recover"] = [LOAD]
    vm.reboot()
    vm.wait(1)
    vm.events = [event(vm.time, "Freeze", notice_s=900, duration_s=5)]
    vm.wait(10)
    assert len(recovery_ids(vm)) == 1
    assert vm.takes_work()


def test_sigterm_during_a_recovery_leaves_it_to_the_next_run(vm: VirtualVm) -> None:
    """Under the same id."""
    vm.hooks["recover"] = [LOAD]
    vm.reboot()
    vm.wait(1)
    vm.terminate()
    vm.wait(2)
    assert vm.did("ended") == [""]
    vm.begin()
    vm.wait(10)
    assert len(recovery_ids(vm)) == 2
    assert len(set(recovery_ids(vm))) == 1
    assert vm.takes_work()


def test_a_crash_amid_the_phases_goes_on_where_it_was(vm: VirtualVm) -> None:
    """In the same boot, before the eviction: what is not done is done; the recovery waits for what comes."""
    vm.hooks = {"preempt": [VirtualHook("quick", 0.5), VirtualHook("save", 5.0)], "recover": [LOAD]}
    vm.events = [event(vm.time)]
    vm.wait(3)
    vm.kill()
    vm.begin()
    vm.wait(10)
    assert vm.did("hook") == ["preempt/quick", "preempt/save", "preempt/save"]
    assert vm.did("told") == [f"{ID}/EvictionNotice"]
    vm.events = []
    vm.wait(20)
    assert vm.did("hook")[3:] == ["recover/load"]
    assert vm.takes_work()


@pytest.mark.parametrize("clock_error_s", [0.0, 600.0])
def test_a_crash_amid_the_phases_of_what_has_started(clock_error_s: float) -> None:
    """The VM is still there, so what is not done is done, whatever the clock says."""
    vm = VirtualVm()
    vm.time.clock_error_s = clock_error_s
    vm.hooks = {"preempt": [VirtualHook("save", 5.0)], "recover": [LOAD]}
    vm.begin()
    vm.wait(2)
    vm.events = [event(vm.time) if clock_error_s else started(event(vm.time))]
    vm.wait(2)
    vm.kill()
    vm.begin()
    vm.wait(7)
    assert "preempt/save" in vm.did("hook ended")
    vm.events = []
    vm.wait(30)
    assert vm.takes_work()


@pytest.mark.parametrize("kind", ["Preempt", "Redeploy", "Reboot"])
@pytest.mark.parametrize("is_started", [True, False])
@pytest.mark.parametrize("ends", ["killed", "in order"])
def test_an_event_that_is_still_shown_is_not_over_because_the_agent_was_restarted(
    vm: VirtualVm,
    kind: str,
    is_started: bool,  # noqa: FBT001 - a row of the table
    ends: str,
) -> None:
    """In the same boot the VM takes no work until it has vanished; then the work is recovered once, told once."""
    vm.hooks = {kind.lower(): [VirtualHook("save", 1.0)], "recover": [LOAD], "cancelled": [VirtualHook("no")]}
    vm.events = [started(event(vm.time, kind)) if is_started else event(vm.time, kind)]
    vm.wait(8)
    for _ in range(2):
        if ends == "killed":
            vm.kill()
        else:
            vm.terminate()
        began = vm.time.seconds
        vm.begin()
        vm.wait(60)
        assert not vm.takes_work()
        assert "200" not in [deed.what for deed in vm.deeds if deed.kind == "health" and deed.at >= began]
    assert recovery_ids(vm) == []
    vm.events = []
    vm.wait(20)
    assert vm.takes_work()
    assert vm.did("hook") == [f"{kind.lower()}/save", "recover/load"]
    assert len(told(vm, "WorkloadReady")) == 1


@pytest.mark.parametrize("then", ["started", "scheduled"])
def test_a_crash_amid_the_phases_recovers_once_and_not_beside_them(vm: VirtualVm, then: str) -> None:
    """What is being saved must not be loaded at the same time."""
    vm.hooks = {"preempt": [VirtualHook("save", 4.0)], "recover": [LOAD]}
    vm.events = [started(event(vm.time))] if then == "started" else [event(vm.time)]
    vm.wait(2)
    vm.kill()
    vm.events = [started(event(vm.time))]
    vm.begin()
    vm.wait(10)
    assert vm.did("hook") == ["preempt/save", "preempt/save"]
    vm.events = []
    vm.wait(20)
    assert vm.did("hook")[2:] == ["recover/load"]
    assert len(told(vm, "WorkloadReady")) == 1
    assert vm.takes_work()


def test_a_restart_of_the_vm_before_its_redeploy_loads_nothing_beside_what_is_saved(vm: VirtualVm) -> None:
    """The first document is waited for: it shows what is still to come."""
    vm.hooks = {"redeploy": [VirtualHook("save", 1.0)], "recover": [LOAD]}
    vm.events = [event(vm.time, "Redeploy", notice_s=600)]
    vm.wait(5)
    vm.reboot()
    vm.wait(20)
    assert vm.did("hook") == ["redeploy/save", "redeploy/save"]
    vm.events = []
    vm.wait(20)
    assert recovery_ids(vm) == recovery_ids(vm, "hook ended")
    assert len(recovery_ids(vm)) == 1


@pytest.mark.parametrize("ends", ["killed", "in order"])
def test_where_the_service_is_silent_after_a_restart_the_recovery_waits_for_two_minutes(
    vm: VirtualVm, ends: str
) -> None:
    """Nobody says whether the event is over; the work must not stand still for ever."""
    vm.hooks = {"preempt": [VirtualHook("save", 1.0)], "recover": [LOAD]}
    vm.events = [started(event(vm.time))]
    vm.wait(8)
    if ends == "killed":
        vm.kill()
    else:
        vm.terminate()
    vm.poll = lambda: None
    vm.begin()
    vm.wait(125)
    assert recovery_ids(vm) == []
    vm.wait(20)
    assert vm.takes_work()
    vm.poll = vm.document
    vm.wait(20)
    assert vm.did("hook") == ["preempt/save", "recover/load"]


def test_where_the_service_is_silent_a_freeze_is_no_reason_to_recover(vm: VirtualVm) -> None:
    """It stopped nothing."""
    vm.hooks["recover"] = [LOAD]
    vm.events = [event(vm.time, "Freeze", notice_s=60)]
    vm.wait(8)
    vm.terminate()
    vm.poll = lambda: None
    vm.begin()
    vm.wait(300)
    assert recovery_ids(vm) == []
    assert vm.takes_work()


def test_a_recovery_waits_two_seconds_for_the_first_document_and_no_longer(vm: VirtualVm) -> None:
    """The first answer after a boot may take two minutes."""
    vm.hooks["recover"] = [LOAD]
    vm.poll = lambda: None
    vm.reboot()
    began = vm.time.seconds
    vm.wait(10)
    (loads,) = [deed.at for deed in vm.deeds if deed.kind == "hook"]
    assert loads == pytest.approx(began + 2, abs=0.1)


def test_a_restart_in_order_amid_an_eviction_that_is_cancelled_only_undoes_it(vm: VirtualVm) -> None:
    """Nothing was lost, so nothing is recovered."""
    vm.hooks = {"preempt": [VirtualHook("save", 1.0)], "cancelled": [VirtualHook("go-on")], "recover": [LOAD]}
    vm.events = [event(vm.time)]
    vm.wait(5)
    vm.terminate()
    vm.begin()
    vm.wait(3)
    vm.events = []
    vm.wait(10)
    assert vm.did("hook") == ["preempt/save", "cancelled/go-on"]
    assert vm.did("units") == ["stop", "start"]
    assert vm.takes_work()


def test_what_was_being_undone_when_the_agent_died_is_recovered_or_begun_again(vm: VirtualVm) -> None:
    """Again, if Azure shows the eviction again."""
    vm.hooks = {"preempt": [VirtualHook("save", 1.0)], "cancelled": [VirtualHook("go-on", 9.0)], "recover": [LOAD]}
    vm.events = shown = [event(vm.time, notice_s=60)]
    vm.wait(5)
    vm.events = []
    vm.wait(5)
    vm.kill()
    vm.events = shown
    vm.begin()
    vm.wait(10)
    assert vm.did("hook") == ["preempt/save", "cancelled/go-on", "preempt/save"]
    assert not vm.takes_work()


@pytest.mark.parametrize("clock_error_s", [-600.0, 0.0, 600.0])
def test_an_eviction_that_is_still_scheduled_holds_the_recovery_back(clock_error_s: float) -> None:
    """Whatever the VM's clock says of its time: the agent was restarted, not the VM."""
    vm = VirtualVm()
    vm.time.clock_error_s = clock_error_s
    vm.hooks = {"preempt": [VirtualHook("save", 1.0)], "recover": [LOAD]}
    vm.begin()
    vm.wait(2)
    vm.events = [event(vm.time)]
    vm.wait(8)
    vm.kill()
    vm.begin()
    vm.wait(60)
    assert not vm.takes_work()
    assert vm.did("hook").count("preempt/save") == 1
    assert vm.did("hook ended").count("recover/load") == 0
    vm.events = []
    vm.wait(30)
    assert vm.takes_work()
    assert vm.did("hook ended").count("recover/load") == 1


def test_an_event_that_is_still_shown_after_the_boot_is_not_acted_upon_again(evicted: VirtualVm) -> None:
    """It has happened: it started, or its time has passed."""
    shown = event(evicted.time, notice_s=-60)
    for still in (shown, started(shown)):
        evicted.events = [still]
        evicted.reboot()
        evicted.wait(20)
        assert evicted.did("hook").count("preempt/save") == 1
        assert evicted.takes_work()


def test_an_event_that_is_to_come_is_acted_upon_in_the_new_boot_too(vm: VirtualVm) -> None:
    """Its owner restarted the VM, and the redeploy comes all the same; it is told once."""
    vm.hooks["redeploy"] = [VirtualHook("save", 1.0)]
    vm.events = [event(vm.time, "Redeploy", notice_s=600)]
    vm.wait(5)
    vm.reboot()
    vm.wait(5)
    assert vm.did("hook") == ["redeploy/save", "redeploy/save"]
    assert vm.did("told").count(f"{ID}/Maintenance") == 1


def test_hardware_that_failed_is_known_as_the_cause(vm: VirtualVm) -> None:
    """A reboot that is shown as Started, first of all after a boot, took the VM down; it had not been announced."""
    vm.hooks["reboot"] = [VirtualHook("save", 1.0)]
    vm.kill()
    vm.wait(60)
    vm.events = [started(event(vm.time, "Reboot"))]
    vm.hooks["recover"] = [LOAD]
    vm.reboot()
    vm.wait(10)
    assert vm.did("hook") == ["recover/load"]
    (data,) = told(vm, "WorkloadReady")
    assert (data["hadNotice"], data["eventId"]) == (False, ID)


def test_while_our_name_is_not_known_no_failure_of_hardware_is_taken_for_ours() -> None:
    """It may be a sibling's."""
    vm = VirtualVm()
    vm.machine = None
    vm.hooks["recover"] = [LOAD]
    vm.begin()
    vm.wait(2)
    vm.kill()
    vm.events = [started(event(vm.time, "Reboot", resources=("render-2",)))]
    vm.reboot()
    vm.wait(2)
    assert {deed.more["SPOT_AGENT_EVENT_ID"] for deed in vm.deeds if deed.kind == "hook"} == {""}


def test_hardware_that_failed_is_no_reason_to_recover_twice(vm: VirtualVm) -> None:
    """The metadata service answers only after the work goes on again."""
    vm.events = [started(event(vm.time, "Reboot"))]
    vm.poll = lambda: None
    vm.kill()
    vm.reboot()
    vm.wait(3)
    assert vm.takes_work()
    vm.poll = vm.document
    vm.wait(5)
    assert vm.takes_work()
    assert len(told(vm, "WorkloadReady")) == 1


def test_advice_is_taken_once_in_each_boot(vm: VirtualVm) -> None:
    """It has no time; after a crash of the agent it is the same advice, after a boot it is for the new work."""
    vm.hooks["rebalance"] = [VirtualHook("checkpoint", 1.0)]
    vm.events = [event(vm.time, "SpotRebalanceRecommendation", notice_s=None)]
    vm.wait(5)
    vm.kill()
    vm.begin()
    vm.wait(5)
    assert vm.did("hook") == ["rebalance/checkpoint"]
    vm.reboot()
    vm.wait(5)
    assert vm.did("hook") == ["rebalance/checkpoint", "rebalance/checkpoint"]
    assert vm.did("told").count(f"{ID}/Maintenance") == 1


def test_a_state_that_cannot_be_read_is_recovered_from(vm: VirtualVm) -> None:
    """Nobody knows what the run before was doing."""
    memory = begin(
        None,
        Settings(),
        vm.time.now(),
        boot_id="boot",
        run_id="run",
        booted_at=None,
        alive_at=None,
        was_clean=True,
        is_state_lost=True,
    )
    assert not is_ready(memory)


def test_ready_is_told_once_we_know_who_we_are() -> None:
    """The first boot had no answer from the metadata service at all."""
    vm = VirtualVm()
    vm.machine = None
    vm.begin()
    vm.wait(5)
    vm.reboot()
    vm.wait(5)
    assert vm.takes_work()
    assert vm.did("told") == []
    vm.machine = MACHINE
    vm.wait(5)
    assert len(told(vm, "WorkloadReady")) == 1


def test_words_about_what_is_over_change_nothing(vm: VirtualVm) -> None:
    """What was under way when the process before died, or was closed meanwhile."""
    before = vm.agent and vm.agent.memory
    for heard in (
        HookEnded("recover/x/1", "load", "ok", 1.0),
        HooksOver("recover/x/1"),
        UnitsDone("recover/x/1/units", "ok"),
        Acknowledged("x", "ok"),
        Sent("x", "ok"),
    ):
        vm.say(1, heard)
    assert vm.agent
    assert vm.agent.memory == before
