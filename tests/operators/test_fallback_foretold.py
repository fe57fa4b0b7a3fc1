"""What ``plan``, ``explain`` and ``retry`` say of a VM with fallback sizes, held against what the app then does."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from localazure.virtual.wire import RequestKind
from spot_responder.decisions.policy import Policy
from spot_responder.intake.vms import VmId
from spot_responder.operators.gather import foresee_retry, gather_explanation
from spot_responder.operators.views.plan import Would
from tests.harness.makers import at
from tests.harness.stories import DENIED, refused
from tests.operators.views.test_plan import NEVER, finds, offers, planned
from tests.responder.sizes.test_fallback_stories import (
    OTHER,
    OWN,
    THIRD,
    add,
    resizes,
    with_capacity,
    without_capacity,
)

if TYPE_CHECKING:
    import pytest

    from localazure.world.machines import Machine
    from spot_responder.operators.views.explanation import Explanation
    from tests.harness.stories import NewAzure, StoryAzure


def explained(azure: StoryAzure, machine: Machine) -> Explanation:
    """Explain the VM as the command does."""
    vm_id = VmId.parse(machine.vm_id)
    return azure.do(gather_explanation(vm_id, azure.ports(), azure.settings, azure.now, offers=offers(azure)))


def unheard(new_azure: NewAzure) -> tuple[StoryAzure, Machine]:
    """Begin where another VM's refusals have closed the pool of a VM's own size, whose eviction nobody has told."""
    azure = new_azure(Policy(resizes=True), sweep_every=NEVER)
    machine = add(azure)
    azure.add_vm("render-2", size=OWN)
    without_capacity(azure, OWN)
    azure.world.evict("render-2")
    azure.run_until(at("10:01"))
    azure.script.lost = lambda _: True
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    return azure, machine


def test_the_plan_names_the_size_that_the_sweep_then_gives_it(new_azure: NewAzure) -> None:
    """Its own size's pool is closed, the next one's is open; the plan itself changes and notes nothing."""
    azure, machine = unheard(new_azure)
    pools = dict(azure.storage.pools.rows)
    find = finds(planned(azure))["render-1"]
    assert find.would is Would.START
    assert find.reason == f"no capacity for {OWN}: it is changed from {OWN} to {OTHER}, then started"
    assert (azure.storage.pools.rows, azure.storage.offerings.rows, resizes(azure)) == (pools, {}, [])
    azure.sweep()
    azure.run_until(at("10:07"))
    assert (resizes(azure), machine.power_state) == ([(OTHER, "deallocated")], "running")


def test_explain_names_it_too_and_a_retry_is_not_in_vain(new_azure: NewAzure) -> None:
    """And where every pool is closed, both say so."""
    azure, machine = unheard(new_azure)
    assert explained(azure, machine).headline.endswith(f"it is about to be changed to {OTHER} and started")
    vm_id = VmId.parse(machine.vm_id)
    assert azure.do(foresee_retry(vm_id, azure.ports(), azure.settings, azure.now, offers(azure))) == ""
    for name, size in (("render-3", OTHER), ("render-4", THIRD)):
        azure.add_vm(name, size=size)
        without_capacity(azure, size)
        azure.script.lost = lambda _: False
        azure.world.evict(name)
    azure.run_until(azure.now + timedelta(minutes=1))
    said = explained(azure, machine)
    assert "no capacity just now: " in said.headline
    assert any("to have it tried now, without waiting: " in line for line in said.advice)


def test_the_plan_says_that_a_vm_goes_home_first(new_azure: NewAzure) -> None:
    """It runs in another size, its own has capacity again, and its next eviction is not told."""
    azure = new_azure(Policy(resizes=True), sweep_every=NEVER)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    with_capacity(azure, OWN)
    azure.script.lost = lambda _: True
    azure.world.evict("render-1")
    azure.run_until(at("10:12"))
    find = finds(planned(azure))["render-1"]
    assert find.reason == f"its first size is tried first: it is changed from {OTHER} to {OWN}, then started"
    assert explained(azure, machine).headline.endswith(f"it is about to be changed to {OWN} and started")
    azure.sweep()
    azure.run_until(at("10:14"))
    assert (machine.size, machine.power_state) == (OWN, "running")


def test_a_login_that_may_not_read_the_sizes_foretells_none(
    new_azure: NewAzure, caplog: pytest.LogCaptureFixture
) -> None:
    """What Azure offers is unknown to it; that is no line in a log, which the app would write."""
    azure, _ = unheard(new_azure)
    azure.script.next(RequestKind.OFFERINGS, refused(DENIED), times=1000)
    caplog.clear()
    find = finds(planned(azure))["render-1"]
    assert find.would is Would.WAIT
    assert caplog.messages == []
