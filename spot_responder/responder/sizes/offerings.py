"""What Azure offers to a VM: its sizes compared with the VM, and their prices.

What a source does not tell is unknown (``answers.py``). Called by ``fallback.py``; ``offerings/`` reads the answers and
compares.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.situations import OfferedSize
from spot_responder.intake.azure_errors import OWN_PACE
from spot_responder.offerings.all_fits import fit_of
from spot_responder.offerings.fits import Aspect, Fit, unknown
from spot_responder.offerings.noted import Kind, OddNoteError, cores_of, cores_text, sku_of, sku_text
from spot_responder.offerings.skus import Sku, read_skus
from spot_responder.offerings.spot_cores import read_spot_cores
from spot_responder.offerings.vm_shapes import UnreadableVmError
from spot_responder.responder.log import log_sizes_not_read
from spot_responder.responder.ports import AzureRefusedError
from spot_responder.responder.sizes.answers import Answers, OutError, key_of
from spot_responder.responder.sizes.azure_lists import list_skus, list_usages, shape_of
from spot_responder.responder.sizes.spot_prices import SpotPrices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.vms import Vm, VmId
    from spot_responder.offerings.spot_cores import SpotCores
    from spot_responder.offerings.vm_shapes import VmShape
    from spot_responder.responder.ports import Arm, Ports


SHAPE_HOLDS: Final = timedelta(minutes=10)
"""How long it counts what of a VM a size must suit, while its ETag stays: in an outage it is looked at often."""

MOST_SHAPES: Final = 2000
"""How many VMs' shapes are kept."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A VM's shape as it was read, and the ETag of the VM that a look had seen just before."""

    shape: VmShape
    etag: str
    at: datetime


@dataclass(slots=True)
class Offerings:
    """What is known of sizes; one for the whole process. ``arm`` asks by the identity that may change sizes.

    ``not_read`` is told where that was not let read what is needed.
    """

    arm: Arm
    answers: Answers
    prices: SpotPrices
    not_read: Callable[[VmId, Failure], None] = log_sizes_not_read
    _shapes: dict[VmId, _Read] = field(default_factory=dict)

    async def of(self, vm: Vm, sizes: Sequence[str]) -> Mapping[str, OfferedSize]:
        """Compare a VM with sizes; give what is known of each by its name in lower case.

        Where the VM or the list of sizes cannot be read nothing is known of any, and each says why.

        Raises:
            AzureRefusedError: by our own pace: a request's turn has not come.
        """
        try:
            shape = await self._shape(vm)
            skus = await self._skus(vm, [shape.size, *sizes])
        except UnreadableVmError as odd:
            return _unknown(sizes, str(odd))
        except AzureRefusedError as refusal:
            if refusal.failure.code == OWN_PACE:
                raise
            self.not_read(vm.vm_id, refusal.failure)
            return _unknown(sizes, str(refusal))
        cores = await self._cores(vm)
        # The price list compares names with regard to case, and owners write them as they like.
        prices = await asyncio.gather(*(self._price(shape, _spelled(size, skus)) for size in sizes))
        return {
            size.lower(): OfferedSize(_spelled(size, skus), fit_of(shape, size, skus, cores, price), price)
            for size, price in zip(sizes, prices, strict=True)
        }

    async def _shape(self, vm: Vm) -> VmShape:
        """Read what a size must suit. Raises as ``shape_of``."""
        now, known = self.answers.clock(), self._shapes.pop(vm.vm_id, None)
        if known is None or not vm.etag or known.etag != vm.etag or now - known.at >= SHAPE_HOLDS:
            known = _Read(await shape_of(vm.vm_id, self.arm), vm.etag, now)
        if len(self._shapes) >= MOST_SHAPES:
            self._shapes.pop(next(iter(self._shapes)))
        self._shapes[vm.vm_id] = known
        return known.shape

    async def _skus(self, vm: Vm, sizes: Sequence[str]) -> Mapping[str, Sku] | None:
        """Give the sizes of the VM's region; ``None`` where that is unknown. Raises ``AzureRefusedError``."""
        subscription, location = vm.vm_id.subscription_id, vm.location
        place = f"{subscription}|{location}".lower()

        async def ask() -> Mapping[str, str]:
            listed = read_skus(await list_skus(subscription, location, self.arm), location)
            return {key_of(Kind.SIZE, place, size): sku_text(listed.get(size.lower())) for size in sizes}

        try:
            texts = [await self.answers.text(Kind.SIZE, key_of(Kind.SIZE, place, size), place, ask) for size in sizes]
            found = [sku_of(text) for text in texts]
        except OutError as out:
            if out.refusal is not None:
                raise out.refusal from out
            return None
        except OddNoteError:
            return None
        return {sku.name.lower(): sku for sku in found if sku is not None}

    async def _cores(self, vm: Vm) -> SpotCores | None:
        subscription, location = vm.vm_id.subscription_id, vm.location
        key = key_of(Kind.SPOT_CORES, f"{subscription}|{location}")

        async def ask() -> Mapping[str, str]:
            cores = read_spot_cores(await list_usages(subscription, location, self.arm))
            return {} if cores is None else {key: cores_text(cores)}

        try:
            return cores_of(await self.answers.text(Kind.SPOT_CORES, key, key, ask))
        except (OutError, OddNoteError):
            return None

    async def _price(self, vm: VmShape, size: str) -> float | None:
        try:
            return await self.prices.of(vm.location, size, vm.os)
        except AzureRefusedError:
            # Azure itself compares the price with the VM's max price.
            return None


def _unknown(sizes: Sequence[str], why: str) -> Mapping[str, OfferedSize]:
    """Say that nothing is known of sizes."""
    fit = Fit((unknown(Aspect.OFFERED, why),))
    return {size.lower(): OfferedSize(size, fit) for size in sizes}


def _spelled(size: str, skus: Mapping[str, Sku] | None) -> str:
    """Give the size as Azure spells it, if that is known."""
    sku = skus.get(size.lower()) if skus else None
    return sku.name if sku else size


def offered(ports: Ports, clock: Callable[[], datetime]) -> tuple[SpotPrices, Offerings | None]:
    """Put together what knows of prices, and of sizes where they may be changed: one of each for a process."""
    answers = Answers(ports.pricing.notes, clock)
    prices = SpotPrices(ports.pricing.price_list, answers)
    return prices, Offerings(ports.resizing.arm, answers, prices) if ports.resizing else None
