"""Growth: what sweep, handling and state cost as VMs become ten and a hundred times as many."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from bench.scenarios import BEGIN, MINUTE, SECOND, Scenario
from bench.stage import Counted, CountedLimits, PromptEvents, play_responder
from localazure.virtual.app import Deployment
from localazure.virtual.azure import VirtualAzure
from localazure.virtual.wire import RequestKind
from spot_responder.decisions.policy import Policy

if TYPE_CHECKING:
    from localazure.virtual.wire import Fate

SIZES: Final = (100, 1000, 10_000)


class CountedSweep(Counted):
    """Knows how many queries there were before the first message was put: those of the sweep itself."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.graph_before_first_put = 0

    def of(self, request_kind: RequestKind, target: str) -> Fate:
        """Let it through."""
        fate = super().of(request_kind, target)
        if not self.requests[RequestKind.QUEUE_PUT]:
            self.graph_before_first_put = self.requests[RequestKind.GRAPH]
        return fate


def handling(vms: int) -> dict[str, Any]:
    """Recover so many VMs, spread over subscriptions of 500 each, and give the cost of one."""
    scenario = Scenario(f"growth to {vms}", vms, 10 * SECOND, patience=20 * MINUTE, subscriptions=max(1, vms // 500))
    began = time.process_time()
    played = play_responder(scenario)
    return {
        "requests_per_vm": round(sum(played.requests.values()) / vms, 2),
        "processor_ms_per_vm": round((time.process_time() - began) * 1000 / vms, 2),
        "never_back": played.never_back,
    }


PATIENCE: Final = 60 * MINUTE
"""By then all that the sweep found are up."""


def sweep(vms: int) -> dict[str, Any]:
    """Sweep over so many VMs that are down and that nobody told of; the rows are those of recoveries that are over."""
    requests = CountedSweep()
    with VirtualAzure(
        BEGIN,
        Deployment(Policy(), sweep_every=10 * MINUTE),
        fault_plan=requests,
        event_fault_plan=PromptEvents(),
        limits=CountedLimits(),
    ) as azure:
        for number in range(vms):
            azure.world.add_vm(
                f"vm-{number:06d}",
                subscription_id=f"11111111-1111-4111-8111-{number // 500:012d}",
                tags={"AttemptRestartAfterEviction": "true"},
                power_state="deallocated",
            )
        began = time.process_time()
        azure.run_for(timedelta(minutes=10, seconds=0.5 + 2 * vms / 1000))
        processor_s = time.process_time() - began
        rows = azure.app.storage.recoveries.rows.values()
        while not (rows and all(row["closed_at"] for row, _ in rows)) and azure.clock.now() < BEGIN + PATIENCE:
            azure.run_for(MINUTE)
        return {
            "graph_pages": requests.graph_before_first_put,
            "signals_put": requests.requests[RequestKind.QUEUE_PUT],
            "processor_ms_per_vm": round(processor_s * 1000 / vms, 2),
            "bytes_per_row": round(sum(len(json.dumps(row)) for row, _ in rows) / len(rows)) if rows else None,
        }
