"""What Azure offers to a VM: asked for once in a while by the whole process, and noted in a table for the next one.

What a source does not tell is unknown, and a source that is out is not asked again for a minute. Called by
``fallback.py``; ``offerings/`` reads the answers and compares.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.situations import OfferedSize
from spot_responder.offerings.all_fits import fit_of
from spot_responder.offerings.noted import (
    Kind,
    Noted,
    OddNoteError,
    cores_of,
    cores_text,
    price_of_text,
    price_text,
    sku_of,
    sku_text,
)
from spot_responder.offerings.prices import Asked
from spot_responder.offerings.skus import Sku, read_skus
from spot_responder.offerings.spot_cores import read_spot_cores
from spot_responder.offerings.vm_shapes import UnreadableVmError
from spot_responder.responder.ports import AzureRefusedError, Resizing, StoreFailedError
from spot_responder.responder.sizes.azure_lists import list_skus, list_usages, price_of, shape_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from spot_responder.intake.vms import Vm
    from spot_responder.offerings.spot_cores import SpotCores
    from spot_responder.offerings.vm_shapes import VmShape

OUT_FOR: Final = timedelta(minutes=1)
"""How long a source that did not answer is left alone."""


class _OutError(Exception):
    """A source does not answer now."""


@dataclass(slots=True)
class Offerings:
    """What is known of sizes; one for the whole process. ``clock`` gives the time in UTC."""

    resizing: Resizing
    clock: Callable[[], datetime]
    _noted: dict[str, Noted] = field(default_factory=dict)
    _out_until: dict[str, datetime] = field(default_factory=dict)
    _turns: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def of(self, vm: Vm, sizes: Sequence[str]) -> Mapping[str, OfferedSize]:
        """Compare a VM with sizes; give what is known of each by its name in lower case.

        Empty where the VM itself cannot be read: nothing is known then.
        """
        try:
            shape = await shape_of(vm.vm_id, self.resizing.arm)
        except (AzureRefusedError, UnreadableVmError):
            return {}
        skus = await self._skus(vm, [shape.size, *sizes])
        cores = await self._cores(vm)
        prices = await asyncio.gather(*(self._price(shape, size) for size in sizes))
        return {
            size.lower(): OfferedSize(_spelled(size, skus), fit_of(shape, size, skus, cores, price), price)
            for size, price in zip(sizes, prices, strict=True)
        }

    async def _skus(self, vm: Vm, sizes: Sequence[str]) -> Mapping[str, Sku] | None:
        subscription, location = vm.vm_id.subscription_id, vm.location
        place = f"{subscription}|{location}".lower()

        async def ask() -> Mapping[str, str]:
            listed = read_skus(await list_skus(subscription, location, self.resizing.arm), location)
            return {_key(Kind.SIZE, place, size): sku_text(listed.get(size.lower())) for size in sizes}

        try:
            texts = [await self._text(Kind.SIZE, _key(Kind.SIZE, place, size), place, ask) for size in sizes]
            found = [sku_of(text) for text in texts]
        except (_OutError, OddNoteError):
            return None
        return {sku.name.lower(): sku for sku in found if sku is not None}

    async def _cores(self, vm: Vm) -> SpotCores | None:
        subscription, location = vm.vm_id.subscription_id, vm.location
        key = _key(Kind.SPOT_CORES, f"{subscription}|{location}")

        async def ask() -> Mapping[str, str]:
            cores = read_spot_cores(await list_usages(subscription, location, self.resizing.arm))
            return {} if cores is None else {key: cores_text(cores)}

        try:
            return cores_of(await self._text(Kind.SPOT_CORES, key, key, ask))
        except (_OutError, OddNoteError):
            return None

    async def _price(self, vm: VmShape, size: str) -> float | None:
        if vm.os is None:
            # Windows costs more: without the system there is no price.
            return None
        key, asked = _key(Kind.SPOT_PRICE, vm.location, size, vm.os), Asked(vm.location, size, vm.os, self.clock())

        async def ask() -> Mapping[str, str]:
            price = (await price_of(asked, self.resizing.price_list)).spot
            return {} if price is None else {key: price_text(price)}

        try:
            return price_of_text(await self._text(Kind.SPOT_PRICE, key, key, ask))
        except (_OutError, OddNoteError):
            return None

    async def _text(self, kind: Kind, key: str, source: str, ask: Callable[[], Awaitable[Mapping[str, str]]]) -> str:
        """Give what is noted under a key, or ask its source, once for all who wait for it."""
        async with self._turns[source]:
            noted = self._noted.get(key) or await self._loaded(key)
            if noted is None or not noted.counts(kind, self.clock()):
                await self._ask(source, ask)
                noted = self._noted[key]
            self._noted[key] = noted
            return noted.text

    async def _loaded(self, key: str) -> Noted | None:
        try:
            return await self.resizing.notes.load(key)
        except StoreFailedError:
            return None

    async def _ask(self, source: str, ask: Callable[[], Awaitable[Mapping[str, str]]]) -> None:
        now = self.clock()
        if now < self._out_until.get(source, now):
            raise _OutError(source)
        told: Mapping[str, str] = {}
        with suppress(AzureRefusedError):
            told = await ask()
        if not told:
            # What is unknown is not noted: it may be known in a minute.
            self._out_until[source] = now + OUT_FOR
            raise _OutError(source)
        for key, text in told.items():
            self._noted[key] = Noted(text, now)
            await self._save(key, self._noted[key])

    async def _save(self, key: str, noted: Noted) -> None:
        try:
            await self.resizing.notes.save(key, noted)
        except StoreFailedError:
            # This process knows it all the same; the next one asks.
            return


def _key(kind: Kind, *parts: str) -> str:
    return "|".join([kind, *parts]).lower()


def _spelled(size: str, skus: Mapping[str, Sku] | None) -> str:
    """Give the size as Azure spells it, if that is known."""
    sku = skus.get(size.lower()) if skus else None
    return sku.name if sku else size
