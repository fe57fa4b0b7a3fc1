"""What ``explain`` says of the recovery before: its outcome, unless that is what keeps the VM down now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localazure.world.happenings import ActionSucceeded
from localazure.world.vm_lifecycle import DEALLOCATE
from spot_responder.intake.vms import VmId
from spot_responder.operators.gather import gather_explanation
from tests.harness.makers import at

if TYPE_CHECKING:
    from spot_responder.operators.views.explanation import Explanation
    from tests.harness.stories import NewAzure, StoryAzure


def explained(azure: StoryAzure) -> Explanation:
    """Explain the VM as it is now."""
    vm_id = VmId.parse(azure.world.machine("render-1").vm_id)
    return azure.do(gather_explanation(vm_id, azure.ports(), azure.settings, azure.now))


def test_a_stop_while_it_waits_for_capacity_is_said_once(new_azure: NewAzure) -> None:
    """Evicted at 10:00, no capacity, its owner takes it off at 10:03: that is the headline, and no more."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:03"))
    azure.tell(ActionSucceeded(vm.vm_id, azure.now, DEALLOCATE, "owner@example.com"))
    azure.run_until(at("10:20"))
    stopped = explained(azure)
    assert stopped.headline.startswith("render-1 is down: its owner stopped it at 2026-03-02 10:03:")
    assert stopped.last_recovery is None
    azure.world.set_capacity(azure.pool_key(), None)
    azure.world.start(azure.world.machine("render-1"), "owner@example.com")
    azure.run_until(at("10:30"))
    started = explained(azure)
    assert started.last_recovery is not None
    assert started.last_recovery.what.startswith("runs-without-us: it runs")
