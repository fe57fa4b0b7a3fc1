"""The short cut of a mass eviction: a VM whose pool has no place for it waits without a look at it.

Hundreds of VMs of one pool go down within seconds, and each look costs reads of ARM, of which Azure grants so many a
second. What the row or Resource Graph knows of a VM, and its pool's gate, are enough to see that others come first.
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
    from spot_responder.decisions.pools import Pool
    from spot_responder.decisions.situations import Wait
    from spot_responder.responder.gather import Gathered
    from spot_responder.responder.pool_gates import Gates
    from spot_responder.responder.ports import Ports


@dataclass(frozen=True, slots=True)
class MassEviction:
    """``clock`` gives the time in UTC, ``jitter`` a number from 0 to 1."""

    ports: Ports
    gates: Gates
    policy: Policy
    clock: Callable[[], datetime]
    jitter: Callable[[], float]

    async def decide(self, rows: Gathered) -> tuple[Gathered, Wait | None]:
        """Decide without a look where that can be; ``None``: look at it. Give what is known by then as well.

        Raises:
            AzureRefusedError: if Azure did not let us ask Resource Graph.
        """
        wait = await self._ask_the_gate(rows)
        if wait is not None:
            return rows, wait
        known = await peek_at_graph(rows, self.ports, self.policy.restart_tag)
        return known, None if known is rows else await self._ask_the_gate(known)

    async def _ask_the_gate(self, known: Gathered) -> Wait | None:
        if known.gate is None:
            return None

        def decide_on(pool: Pool) -> tuple[Wait | None, None]:
            situation = replace(known.situation, pool=pool)
            return decide_in_the_pool_queue(situation, self.policy, self.clock(), self.jitter()), None

        return await self.gates.ask(known.gate, decide_on)
