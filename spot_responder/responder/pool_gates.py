"""The gates of pools within one process: questions of the same moment share one read and one write of the gate's row.

In a mass eviction hundreds of VMs ask one gate within seconds. With a read and a write for each, they would overwrite
each other, the more often the more of them there are. Called by ``responder.py``, ``acting/requests.py`` and
``mass_eviction.py``; the rules are in ``decisions/pools.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from spot_responder.responder.ports import ChangedMeanwhileError, GateChangedError

if TYPE_CHECKING:
    from spot_responder.decisions.pools import PoolGate, PoolId
    from spot_responder.responder.ports import Store

GATE_TRIES: Final = 20
"""How often a gate is read anew that another instance changed meanwhile; each such change answers that instance's
questions."""

type Question[T] = Callable[[PoolGate], tuple[T, PoolGate | None]]
"""A function that takes the gate as it is now, and gives an answer with the changed gate, or ``None`` to leave it.

It may be called again, with a newer gate, before its answer counts."""


@dataclass(frozen=True, slots=True)
class _Asked:
    question: Question[Any]
    answer: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Answer:
    value: Any = None
    error: Exception | None = None

    def give(self, to: asyncio.Future[Any]) -> None:
        if self.error is None:
            to.set_result(self.value)
        else:
            to.set_exception(self.error)


@dataclass(slots=True)
class Gates:
    """The gates of all pools; one for the whole process."""

    store: Store
    _lines: dict[PoolId, list[_Asked]] = field(default_factory=dict)
    _keepers: set[asyncio.Task[None]] = field(default_factory=set)

    async def ask[T](self, pool_id: PoolId, question: Question[T]) -> T:
        """Answer a question about a pool's gate, after what it makes of the gate is saved.

        Raises:
            ChangedMeanwhileError: if other instances change the gate all the time.
        """
        asked = _Asked(question, asyncio.get_running_loop().create_future())
        if pool_id in self._lines:
            self._lines[pool_id].append(asked)
        else:
            self._lines[pool_id] = [asked]
            keeper = asyncio.create_task(self._keep(pool_id))
            self._keepers.add(keeper)
            keeper.add_done_callback(self._keepers.discard)
        return await asyncio.shield(asked.answer)

    async def _keep(self, pool_id: PoolId) -> None:
        """Answer all questions that wait, and those that come meanwhile."""
        while line := self._lines[pool_id]:
            self._lines[pool_id] = []
            try:
                await self._answer(pool_id, line)
            except Exception as error:  # noqa: BLE001 - nothing is swallowed: each caller gets it
                for asked in line:
                    asked.answer.set_exception(error)
        del self._lines[pool_id]

    async def _answer(self, pool_id: PoolId, line: list[_Asked]) -> None:
        """Load the gate, answer all who wait for it, and save it; all are asked again if it was changed meanwhile."""
        for _ in range(GATE_TRIES):
            stored = await self.store.load_gate(pool_id)
            gate, answers = _answers(stored.value, line)
            try:
                if gate != stored.value:
                    await self.store.save_gate(gate, stored.etag)
            except GateChangedError:
                continue
            for asked, answer in zip(line, answers, strict=True):
                answer.give(asked.answer)
            return
        message = f"the gate of {pool_id} changed {GATE_TRIES} times"
        raise ChangedMeanwhileError(message)


def _answers(gate: PoolGate, line: list[_Asked]) -> tuple[PoolGate, list[_Answer]]:
    """Ask the questions one after the other, each with the gate as the one before has left it."""
    answers = []
    for asked in line:
        try:
            value, changed = asked.question(gate)
        except Exception as error:  # noqa: BLE001 - it goes to its caller: one VM's error is not the others'
            answers.append(_Answer(error=error))
        else:
            gate = gate if changed is None else changed
            answers.append(_Answer(value))
    return gate, answers
