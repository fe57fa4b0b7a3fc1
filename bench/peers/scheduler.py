"""Instance Scheduler's rule for preferred types: at a start without capacity, each type in turn at once.

Its model: Instance Scheduler on AWS 3.1, ``resize_handler.py``: a message is delayed by ten seconds, then each type of
the VM's tag is set and started; after the last one it gives up until its next schedule, five minutes later. It has no
gate for a pool.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import HttpResponseError

from bench.peers.sdk import came_up, start
from localazure.world.happenings import Annotated
from spot_responder.intake.vms import VmId
from spot_responder.offerings.fallback_tag import read_fallback_sizes

if TYPE_CHECKING:
    from bench.stage import Azure
    from localazure.world.happenings import Happening

EVENT_S: Final = 0.2
QUEUE_DELAY_S: Final = 10.0
SCHEDULE_S: Final = 300.0


async def scheduler(azure: Azure) -> None:
    """Listen; what is heard begins the rest."""

    async def bring_back(vm_id: VmId) -> None:
        await asyncio.sleep(EVENT_S)
        machine = azure.world.machine(str(vm_id))
        sizes = [machine.size, *read_fallback_sizes(machine.tags).sizes]
        while True:
            if await came_up(azure, vm_id, await start(azure, vm_id)):
                return
            await asyncio.sleep(QUEUE_DELAY_S)
            for size in sizes[1:]:
                if await _changed(azure, vm_id, size) and await came_up(azure, vm_id, await start(azure, vm_id)):
                    return
            await asyncio.sleep(SCHEDULE_S)
            await _changed(azure, vm_id, sizes[0])

    def hear(happening: Happening) -> None:
        if isinstance(happening, Annotated) and happening.annotation == "VirtualMachinePreempted":
            azure.clock.spawn(bring_back(VmId.parse(happening.vm_id)))

    azure.world.listen(hear)


async def _changed(azure: Azure, vm_id: VmId, size: str) -> bool:
    body = {"properties": {"hardwareProfile": {"vmSize": size}}}
    machines: Any = azure.compute(vm_id.subscription_id).virtual_machines
    try:
        await machines.begin_update(
            vm_id.resource_group, vm_id.name, body, polling=False, raw_response_hook=lambda _: None
        )
    except HttpResponseError:
        return False
    return True
