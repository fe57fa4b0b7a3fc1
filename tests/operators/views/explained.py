"""What the tests of ``explain`` share: a VM of a story, explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_responder.intake.vms import VmId
from spot_responder.operators.gather import gather_explanation
from tests.harness.makers import at

if TYPE_CHECKING:
    from spot_responder.operators.views.explanation import Explanation
    from tests.harness.stories import StoryAzure


def explained(azure: StoryAzure, name: str = "render-1") -> Explanation:
    """Explain a VM as it is now."""
    vm_id = VmId.parse(azure.world.machine(name).vm_id)
    return azure.do(gather_explanation(vm_id, azure.ports(), azure.settings, azure.now))


def no_capacity(azure: StoryAzure, until: str) -> Explanation:
    """Let there be no capacity from ten on."""
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at(until))
    return explained(azure)
