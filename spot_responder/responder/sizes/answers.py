"""Answers of Azure's lists, each asked for once in a while by the whole process, and noted in a table for the next one.

What a list does not tell is not noted: it may be known in a minute. One that is out is not asked again before that.
Called by ``offerings.py`` and ``spot_prices.py``.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.intake.azure_errors import OWN_PACE
from spot_responder.offerings.noted import Noted
from spot_responder.responder.ports import AzureRefusedError, StoreFailedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from spot_responder.offerings.noted import Kind
    from spot_responder.responder.ports import Notes

OUT_FOR: Final = timedelta(minutes=1)
"""How long a source that did not answer is left alone."""


class OutError(Exception):
    """A source does not tell it now. ``refusal``: what Azure said instead; ``None`` where it said nothing of it."""

    def __init__(self, source: str, refusal: AzureRefusedError | None) -> None:
        """Keep what Azure said."""
        super().__init__(f"{source}: {refusal or 'not told'}")
        self.refusal = refusal


@dataclass(slots=True)
class Answers:
    """What is known; one for the whole process. ``clock`` gives the time in UTC."""

    notes: Notes
    clock: Callable[[], datetime]
    _noted: dict[str, Noted] = field(default_factory=dict)
    _out: dict[str, tuple[datetime, OutError]] = field(default_factory=dict)
    _turns: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def text(self, kind: Kind, key: str, source: str, ask: Callable[[], Awaitable[Mapping[str, str]]]) -> str:
        """Give what is noted under a key, or ask its source, once for all who wait for it.

        ``ask`` gives the texts of all keys that the source tells; it raises ``AzureRefusedError``.

        Raises:
            OutError: if the source does not tell it now.
            AzureRefusedError: by our own pace: the request's turn has not come.
        """
        async with self._turns[source]:
            noted = self._noted.get(key) or await self._loaded(key)
            if noted is None or not noted.counts(kind, self.clock()):
                await self._ask(source, ask)
                noted = self._noted[key]
            self._noted[key] = noted
            return noted.text

    async def _loaded(self, key: str) -> Noted | None:
        try:
            return await self.notes.load(key)
        except StoreFailedError:
            return None

    async def _ask(self, source: str, ask: Callable[[], Awaitable[Mapping[str, str]]]) -> None:
        now = self.clock()
        until, out = self._out.get(source, (now, None))
        if out is not None and now < until:
            raise out
        told, refused = await _told(ask)
        if not told:
            out = OutError(source, refused)
            # From now on: one that took long not to answer would be asked again before its next question comes.
            self._out[source] = self.clock() + OUT_FOR, out
            raise out
        for key, text in told.items():
            self._noted[key] = Noted(text, now)
            # Where the table fails this process knows it all the same; the next one asks.
            with suppress(StoreFailedError):
                await self.notes.save(key, self._noted[key])


async def _told(ask: Callable[[], Awaitable[Mapping[str, str]]]) -> tuple[Mapping[str, str], AzureRefusedError | None]:
    try:
        return await ask(), None
    except AzureRefusedError as refused:
        if refused.failure.code == OWN_PACE:
            # Nobody was asked: what waits for its turn is not unknown.
            raise
        return {}, refused


def key_of(kind: Kind, *parts: str) -> str:
    """Give the key under which something is noted."""
    return "|".join([kind, *parts]).lower()
