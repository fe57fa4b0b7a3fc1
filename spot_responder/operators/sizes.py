"""Gathers what a VM could become: from ARM, Azure's lists and the app's tables. Called by ``commands/offerings``.

What a source does not tell is unknown, and the report says which one was out; only without the VM itself, or the
tables, there is no report.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.fallback.sizes import is_same, notes_of
from spot_responder.offerings.fallback_tag import read_fallback_sizes
from spot_responder.offerings.prices import Asked
from spot_responder.offerings.skus import read_skus
from spot_responder.offerings.spot_cores import read_spot_cores
from spot_responder.offerings.vm_shapes import UnreadableVmError
from spot_responder.operators.ports import CouldNotLookError
from spot_responder.operators.prices import look_up
from spot_responder.operators.views.offerings.sizes import Offered, may_fit, sizes_report
from spot_responder.responder.ports import AzureRefusedError
from spot_responder.responder.sizes.azure_lists import list_skus, list_usages, shape_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from spot_responder.intake.vms import VmId
    from spot_responder.offerings.prices import Prices
    from spot_responder.offerings.vm_shapes import VmShape
    from spot_responder.operators.ports import OperatorPorts
    from spot_responder.operators.views.offerings.sizes import SizesReport

LOOKED_BACK: Final = timedelta(days=30)
"""How much of the history is read: older capacity says little about today's."""


async def gather_sizes(
    vm_id: VmId, ports: OperatorPorts, now: datetime, progress: Callable[[str], None]
) -> SizesReport:
    """Compare the sizes of a VM's region with what the VM needs.

    Raises:
        AzureRefusedError: if ARM does not show the VM.
        CouldNotLookError: if its answer cannot be read, or storage does not let us look.
    """
    progress("looking at the VM")
    vm, kept, current = await asyncio.gather(
        _shape(vm_id, ports), ports.app.store.load(vm_id), ports.app.compute.current(vm_id)
    )
    # What the app gave it for a while is not what it is to be compared with.
    notes = notes_of(kept.value).about(current.unique_id if current else "")
    size_now, vm = vm.size, replace(vm, size=notes.first_of(vm.size))
    progress(f"looking at what {vm.location} offers")
    offered = await _offered(vm_id, vm, ports, now)
    offered = replace(
        offered,
        named=read_fallback_sizes(current.tags).sizes if current else (),
        size_now="" if is_same(size_now, vm.size) else size_now,
    )
    sizes = [vm.size, *may_fit(vm, offered)]

    def asked_so_far(done: int, of: int) -> None:
        progress(f"found {done} of {of} prices")

    prices = await _prices(vm, sizes, ports, now, asked_so_far) if vm.os else {}
    return sizes_report(vm_id, vm, offered, prices, now)


async def _shape(vm_id: VmId, ports: OperatorPorts) -> VmShape:
    try:
        return await shape_of(vm_id, ports.resource_manager)
    except UnreadableVmError as error:
        raise CouldNotLookError(str(error), "is ARM_ENDPOINT right?") from error


@dataclass(frozen=True, slots=True)
class _Listed:
    """What a list holds, or why it could not be read."""

    items: Sequence[Mapping[str, object]] | None
    unread: str = ""


async def _listed(listing: Awaitable[Sequence[Mapping[str, object]]]) -> _Listed:
    try:
        return _Listed(await listing)
    except AzureRefusedError as refused:
        return _Listed(None, str(refused))


async def _offered(vm_id: VmId, vm: VmShape, ports: OperatorPorts, now: datetime) -> Offered:
    subscription_id, arm = vm_id.subscription_id, ports.resource_manager
    skus, usages, gates, closed, kept = await asyncio.gather(
        _listed(list_skus(subscription_id, vm.location, arm)),
        _listed(list_usages(subscription_id, vm.location, arm)),
        ports.records.all_pools(),
        ports.app.store.closed_between((now - LOOKED_BACK).date(), now.date()),
        ports.app.store.all_recoveries(),
    )
    return Offered(
        skus=None if skus.items is None else read_skus(skus.items, vm.location),
        cores=None if usages.items is None else read_spot_cores(usages.items),
        gates=gates,
        rows=[*closed, *(row.value for row in kept if row.value.is_open)],
        unread=tuple(each.unread for each in (skus, usages) if each.unread),
    )


async def _prices(
    vm: VmShape, sizes: Sequence[str], ports: OperatorPorts, now: datetime, progress: Callable[[int, int], None]
) -> Mapping[str, Prices]:
    if vm.os is None:
        # Windows costs more: without the system there is no price.
        return {}
    asked = {(vm.location, size, vm.os): Asked(vm.location, size, vm.os, now) for size in sizes}
    found = await look_up(asked, ports.app.pricing.price_list, progress)
    return {size: prices for (_, size, _), prices in found.items()}
