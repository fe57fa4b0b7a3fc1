"""The short cut for mass evictions: a VM whose pool has no free place waits without being read.

Hundreds of VMs of one pool go down within seconds, and Azure limits ARM's reads each second. The VM's row or Resource
Graph, and its pool's gate, are enough to see that the VM has to wait. Called by ``responder.py`` before it reads the
VM.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spot_responder.decisions.decide import decide_in_the_pool_queue
from spot_responder.responder.gather import peek_at_graph

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.pools import PoolGate
    from spot_responder.decisions.situations import Wait
    from spot_responder.responder.gather import Gathered
    from spot_responder.responder.pool_gates import Gates
    from spot_responder.responder.ports import Ports


@dataclass(frozen=True, slots=True)
class MassEviction:
    """Looks at the pool's gate first. ``clock`` gives the time in UTC, ``jitter`` a number from 0 to 1."""

    ports: Ports
    gates: Gates
    policy: Policy
    clock: Callable[[], datetime]
    jitter: Callable[[], float]

    async def wait_unread(self, rows: Gathered) -> tuple[Gathered, Wait | None]:
        """Decide that a VM waits unread where its pool has no free place; else ``None``, with what is known by then.

        Raises:
            AzureRefusedError: if Resource Graph refused the query.
        """
        wait = await self._wait_at_the_gate(rows)
        if wait is not None:
            return rows, wait
        peeked = await peek_at_graph(rows, self.ports, self.policy)
        if peeked is None:
            return rows, None
        return peeked, await self._wait_at_the_gate(peeked)

    async def _wait_at_the_gate(self, gathered: Gathered) -> Wait | None:
        if gathered.pool_id is None:
            return None

        def decide_on(gate: PoolGate) -> tuple[Wait | None, None]:
            situation = replace(gathered.situation, gate=gate)
            return decide_in_the_pool_queue(situation, self.policy, self.clock(), self.jitter()), None

        return await self.gates.update(gathered.pool_id, decide_on)
