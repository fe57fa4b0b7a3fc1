"""What ``plan`` says a sweep would do, held against what the sweep then does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from spot_responder.commands.plan import render
from spot_responder.decisions.policy import Policy
from spot_responder.intake.vms import VmId
from spot_responder.operators.gather import gather_plan
from spot_responder.operators.ports import OperatorPorts
from spot_responder.operators.views.plan import FoundBy, Would
from spot_responder.terminal.console import Console
from tests.harness.makers import TEN, at
from tests.harness.stories import TAG, starts

if TYPE_CHECKING:
    from spot_responder.operators.views.plan import Plan, SweepFind
    from spot_responder.operators.views.status import Coverage
    from tests.harness.stories import NewAzure, StoryAzure

NEVER = timedelta(days=30)


@dataclass
class VirtualFinder:
    """Resource Graph, asked for all Spot VMs of the virtual world."""

    azure: StoryAzure

    async def named(self, name: str) -> list[VmId]:
        """Find by name."""
        return [vm_id for vm_id in await self.spot_vms() if vm_id.name == name]

    async def spot_vms(self) -> list[VmId]:
        """Give all Spot VMs."""
        machines = [one for one in self.azure.world.machines() if one.priority == "Spot" and one.deleted_at is None]
        return [VmId.parse(one.vm_id) for one in machines]

    async def coverage(self, restart_tag: str, *, has_work_queues: bool) -> Coverage:
        """Count nobody: no plan asks."""
        raise NotImplementedError(restart_tag, has_work_queues)


def offers(azure: StoryAzure) -> Any:  # noqa: ANN401 - a part of the port
    """Give whom an operator asks what Azure offers."""
    resizing = azure.ports().resizing
    return resizing.arm if resizing else None


def planned(azure: StoryAzure) -> Plan:
    """Plan a sweep now."""
    nowhere: Any = None
    ports = OperatorPorts(azure.ports(), nowhere, VirtualFinder(azure), nowhere, offers(azure), nowhere)
    counted: list[tuple[int, int]] = []
    plan = azure.do(gather_plan(ports, azure.settings, azure.now, lambda done, of: counted.append((done, of))))
    assert [done for done, _ in counted] == list(range(1, len(counted) + 1))
    return plan


def finds(plan: Plan) -> dict[str, SweepFind]:
    """Give the raised hands by name."""
    return {find.vm_id.name: find for find in plan.finds}


def fleet(new_azure: NewAzure) -> StoryAzure:
    """Make VMs that lost their events: one evicted, one stopped by its owner, one that runs, one without the tag."""
    azure = new_azure(sweep_every=NEVER)
    for name in ("evicted-1", "stopped-1", "running-1"):
        azure.add_vm(name)
    azure.add_vm("plain-1", tags={})
    azure.add_vm("typo-1", tags={"AttemptRestartAfterEviction": "1"})
    azure.add_vm("regular-1", priority="Regular")
    azure.script.lost = lambda _: True
    azure.world.evict("evicted-1")
    azure.world.stop_by_owner("stopped-1")
    azure.run_until(at("10:05"))
    return azure


def test_the_plan_names_what_would_be_started_and_what_not(new_azure: NewAzure) -> None:
    """Each with the reason that the app would log."""
    plan = planned(fleet(new_azure))
    found = finds(plan)
    assert found.keys() == {"evicted-1", "stopped-1"}
    assert (found["evicted-1"].would, found["evicted-1"].reason) == (
        Would.START,
        "a tagged Spot VM, deallocated, evicted",
    )
    assert found["stopped-1"].would is Would.LEAVE_ALONE
    assert {find.found_by for find in plan.finds} == {FoundBy.RESOURCE_GRAPH}
    assert plan.covered_and_up == 1
    assert [each.vm_id.name for each in plan.passed_by] == ["typo-1", "plain-1"]
    assert [bool(each.tag_typos) for each in plan.passed_by] == [True, False]


def test_a_tag_with_a_bad_size_is_named_once(new_azure: NewAzure) -> None:
    """Whether its VM runs or is down; of a VM that is not covered nobody asked for anything."""
    azure = fleet(new_azure)
    azure.world.retag("running-1", {**TAG, "SpotFallbackSizes": "Standard_D4as_v5,D4s"})
    azure.world.retag("plain-1", {"SpotFallbackSizes": "D4s"})
    azure.world.retag("evicted-1", {**TAG, "SpotFallbackSizes": "Standard_D4as_v5"})
    plan = planned(azure)
    (bad,) = plan.bad_tags
    assert bad.vm_id.name == "running-1"
    assert bad.problem.startswith("the tag SpotFallbackSizes is ignored: 'D4s' is no size such as Standard_D4as_v5")
    text = render(plan, "AttemptRestartAfterEviction", Console(azure.now, UTC))
    assert f"! running-1: {bad.problem}" in text


def test_a_tag_with_a_bad_size_is_named_of_a_vm_in_recovery_too(new_azure: NewAzure) -> None:
    """It waits for capacity, and its owner wonders why no other size is tried."""
    azure = new_azure(Policy(resizes=True), sweep_every=NEVER)
    azure.add_vm(tags={**TAG, "SpotFallbackSizes": "D4s"})
    azure.add_vm("gone-1")
    for name in ("render-1", "gone-1"):
        azure.world.set_capacity(azure.pool_key(name), 0)
        azure.world.evict(name)
    azure.run_until(at("10:05"))
    azure.world.delete("gone-1")
    plan = planned(azure)
    assert [vm_id.name for vm_id in plan.busy] == ["gone-1", "render-1"]
    assert [bad.vm_id.name for bad in plan.bad_tags] == ["render-1"]


def test_who_names_sizes_in_vain_is_told_so(new_azure: NewAzure) -> None:
    """RESIZE_CLIENT_ID is missing: whether its VM runs or is down; not where nobody asks, nor if it is on."""
    azure = fleet(new_azure)
    assert planned(azure).sizes_off is None
    for name in ("running-1", "evicted-1"):
        azure.world.retag(name, {**TAG, "SpotFallbackSizes": "Standard_D4as_v5"})
    azure.world.retag("plain-1", {"SpotFallbackSizes": "Standard_D4as_v5"})
    plan = planned(azure)
    assert plan.sizes_off is not None
    assert [vm_id.name for vm_id in plan.sizes_off.vm_ids] == ["evicted-1", "running-1"]
    text = render(plan, "AttemptRestartAfterEviction", Console(azure.now, UTC))
    assert "2 VMs name other sizes in their tag SpotFallbackSizes, and the app may change none" in text
    assert "(RESIZE_CLIENT_ID is not set): evicted-1, running-1; to turn changes of size on" in text
    on = new_azure(Policy(resizes=True), sweep_every=NEVER)
    on.add_vm(tags={**TAG, "SpotFallbackSizes": "Standard_D4as_v5"})
    assert planned(on).sizes_off is None


def test_the_sweep_does_what_the_plan_said(new_azure: NewAzure) -> None:
    """And the plan itself did nothing."""
    azure = fleet(new_azure)
    would_start = [name for name, find in finds(planned(azure)).items() if find.would is Would.START]
    assert [starts(azure, name) for name in ("evicted-1", "stopped-1", "plain-1")] == [[], [], []]
    assert azure.messages == []
    azure.sweep()
    azure.run_until(at("10:06"))
    started = [one.name for one in azure.world.machines() if one.start_calls]
    assert started == would_start == ["evicted-1"]


def test_a_recovery_that_waits_for_its_own_time_is_left_to_it(new_azure: NewAzure) -> None:
    """No capacity: the follow-up comes, and the sweep keeps out; when the follow-up is lost, it does not."""
    azure = new_azure(sweep_every=NEVER)
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    plan = planned(azure)
    assert (plan.finds, [vm_id.name for vm_id in plan.busy]) == ((), ["render-1"])
    azure.app.clear_messages()
    azure.run_until(at("11:00"))
    (find,) = planned(azure).finds
    assert find.found_by is FoundBy.OVERDUE


def test_an_overdue_recovery_may_be_waited_for_or_closed(new_azure: NewAzure) -> None:
    """The pool is closed still; or somebody started the VM meanwhile."""
    azure = new_azure(sweep_every=NEVER)
    for name in ("render-1", "render-2"):
        azure.add_vm(name)
        azure.world.evict(name)
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.run_until(at("10:00:05"))
    azure.script.lost = lambda _: True
    azure.app.clear_messages()
    azure.run_until(at("10:05"))
    azure.world.set_capacity(azure.pool_key(), None)
    azure.world.start(azure.world.machine("render-2"), "owner")
    azure.run_until(at("10:06"))
    found = finds(planned(azure))
    assert (found["render-1"].would, found["render-2"].would) == (Would.START, Would.CLOSE)
    assert found["render-1"].until is None


def test_what_has_to_wait_says_until_when(new_azure: NewAzure) -> None:
    """Nothing told why it is down: its owner's stop may still be told."""
    azure = new_azure(sweep_every=NEVER)
    azure.add_vm(power_state="deallocated")
    (find,) = planned(azure).finds
    assert (find.would, find.until) == (Would.WAIT, TEN + timedelta(minutes=1))


def test_a_login_that_sees_no_vm_is_told_so(new_azure: NewAzure) -> None:
    """Resource Graph hides what one may not read: an empty plan is no good news."""
    azure = new_azure()
    text = render(planned(azure), "AttemptRestartAfterEviction", Console(azure.now, UTC))
    assert "Resource Graph shows no Spot VM to your login: is there one, and do you have Reader where it is?" in text
    azure.add_vm()
    assert "shows no Spot VM" not in render(planned(azure), "AttemptRestartAfterEviction", Console(azure.now, UTC))


def test_two_vms_of_one_name_are_told_apart(new_azure: NewAzure) -> None:
    """By their resource groups, wherever the plan names them."""
    azure = new_azure()
    azure.add_vm("twin", tags={})
    azure.add_vm("twin", tags={}, resource_group="rg-other")
    console = Console(azure.now, UTC)
    text = render(planned(azure), "AttemptRestartAfterEviction", console)
    assert "twin in rg-spot" in text
    assert "twin in rg-other" in text


def test_a_dry_run_is_said(new_azure: NewAzure) -> None:
    """The plan is the same, and nothing of it would be done."""
    assert planned(new_azure(dry_run=True)).dry_run


def test_a_vm_that_is_gone_between_the_list_and_the_look_is_passed_over(new_azure: NewAzure) -> None:
    """Resource Graph lists it, and ARM does not know it any more."""
    azure = new_azure()
    azure.add_vm()
    azure.script.graph_is_blind = True
    azure.world.delete("render-1")
    assert planned(azure).passed_by == ()


def test_a_hand_that_is_raised_for_nothing_is_told_once(new_azure: NewAzure) -> None:
    """Its follow-up is overdue, and its tag was taken off: it would be closed, and it is not listed a second time."""
    azure = new_azure(sweep_every=NEVER)
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:00:05"))
    azure.script.lost = lambda _: True
    azure.app.clear_messages()
    azure.world.retag("render-1", {})
    azure.run_until(at("10:10"))
    plan = planned(azure)
    assert [(find.would, find.found_by) for find in plan.finds] == [(Would.CLOSE, FoundBy.OVERDUE)]
    assert plan.passed_by == ()
