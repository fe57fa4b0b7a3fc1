"""The gates of pools within one process: changes of the same moment share one read and one write of the gate's row.

In a mass eviction hundreds of VMs want a place at one gate within seconds. With a read and a write for each, they would
overwrite each other, the more often the more of them there are. Called by ``responder.py``, ``acting/starts.py``,
``acting/resizes.py`` and ``mass_eviction.py``; the rules are in ``decisions/pools.py``.
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
"""How often a gate is read anew that another instance changed meanwhile; each such change serves that
instance's VMs."""

type Change[T] = Callable[[PoolGate], tuple[T, PoolGate | None]]
"""A function that takes the gate as it is now, and gives a result with the changed gate, or ``None`` to leave it.

It may be called again, with a newer gate, before its result counts."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    change: Change[Any]
    result: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Result:
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
    _lines: dict[PoolId, list[_Waiting]] = field(default_factory=dict)
    _keepers: set[asyncio.Task[None]] = field(default_factory=set)

    async def update[T](self, pool_id: PoolId, change: Change[T]) -> T:
        """Change a pool's gate; give the result of the change once the gate is saved.

        Raises:
            ChangedMeanwhileError: if other instances change the gate all the time.
        """
        waiting = _Waiting(change, asyncio.get_running_loop().create_future())
        if pool_id in self._lines:
            self._lines[pool_id].append(waiting)
        else:
            self._lines[pool_id] = [waiting]
            keeper = asyncio.create_task(self._keep(pool_id))
            self._keepers.add(keeper)
            keeper.add_done_callback(self._keepers.discard)
        return await asyncio.shield(waiting.result)

    async def _keep(self, pool_id: PoolId) -> None:
        """Make all changes that wait, and those that come meanwhile."""
        while line := self._lines[pool_id]:
            self._lines[pool_id] = []
            try:
                await self._update(pool_id, line)
            except Exception as error:  # noqa: BLE001 - nothing is swallowed: each caller gets it
                for waiting in line:
                    waiting.result.set_exception(error)
        del self._lines[pool_id]

    async def _update(self, pool_id: PoolId, line: list[_Waiting]) -> None:
        """Load the gate, make all changes, and save it; all are made again if another instance changed it meanwhile."""
        for _ in range(GATE_TRIES):
            stored = await self.store.load_gate(pool_id)
            gate, results = _changed(stored.value, line)
            try:
                if gate != stored.value:
                    await self.store.save_gate(gate, stored.etag)
            except GateChangedError:
                continue
            for waiting, result in zip(line, results, strict=True):
                result.give(waiting.result)
            return
        message = f"the gate of {pool_id} changed {GATE_TRIES} times"
        raise ChangedMeanwhileError(message)


def _changed(gate: PoolGate, line: list[_Waiting]) -> tuple[PoolGate, list[_Result]]:
    """Make the changes one after the other, each to the gate as the one before has left it."""
    results = []
    for waiting in line:
        try:
            value, changed = waiting.change(gate)
        except Exception as error:  # noqa: BLE001 - it goes to its caller: one VM's error is not the others'
            results.append(_Result(error=error))
        else:
            gate = gate if changed is None else changed
            results.append(_Result(value))
    return gate, results
