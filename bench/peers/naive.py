"""An event handler as one writes it first: each VM on its own, started until it runs, after growing delays."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bench.peers.sdk import came_up, start
from localazure.world.happenings import Annotated
from spot_responder.intake.vms import VmId

if TYPE_CHECKING:
    from bench.stage import Azure
    from localazure.world.happenings import Happening

EVENT_S = 0.2
FIRST_S = 30.0
LONGEST_S = 900.0


async def naive(azure: Azure) -> None:
    """Listen; what is heard begins the rest."""

    async def bring_back(vm_id: VmId) -> None:
        await asyncio.sleep(EVENT_S)
        delay_s = FIRST_S
        while not await came_up(azure, vm_id, await start(azure, vm_id)):
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, LONGEST_S)

    def hear(happening: Happening) -> None:
        if isinstance(happening, Annotated) and happening.annotation == "VirtualMachinePreempted":
            azure.clock.spawn(bring_back(VmId.parse(happening.vm_id)))

    azure.world.listen(hear)
