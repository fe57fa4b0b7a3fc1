"""Idle: what a day costs on which nothing happens, counted in virtual time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from bench.scenarios import BEGIN, TAG
from bench.stage import Counted, CountedLimits, PromptEvents
from localazure.functions.host_settings import read_queue_settings
from localazure.virtual.app import Deployment
from localazure.virtual.azure import VirtualAzure
from spot_responder.decisions.policy import Policy

if TYPE_CHECKING:
    from pathlib import Path

VMS: Final = 100
_DAY: Final = timedelta(days=1)


def measure(host_json: Path) -> dict[str, Any]:
    """Let a hundred VMs run for a day, and nothing befall them."""
    requests = Counted()
    with VirtualAzure(
        BEGIN, Deployment(Policy()), fault_plan=requests, event_fault_plan=PromptEvents(), limits=CountedLimits()
    ) as azure:
        for number in range(VMS):
            azure.world.add_vm(f"vm-{number:03d}", tags=TAG)
        azure.run_for(_DAY)
    polling = read_queue_settings(host_json).max_polling_interval
    sweeps = int(_DAY / Deployment(Policy()).sweep_every)
    return {
        "vms": VMS,
        "executions_a_day": sweeps,
        "requests_a_day": {request_kind.name.lower(): count for request_kind, count in requests.requests.items()},
        "queue_looks_a_day_while_an_instance_is_up": int(_DAY / polling),
    }
