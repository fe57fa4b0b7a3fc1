"""What the agents in the VMs tell, read into signals: notices, maintenance, and workloads that go on. Pure.

The messages of the queue ``agents`` are CloudEvents 1.0 that ``agent/`` writes. They carry no sender: the subject names
the VM, and all else is as unproven as that. What such a signal may do is in ``docs/promises.md``.

Called by ``inboxes.py``; ``responder/gather.py`` goes on with a notice, ``responder/agents_word.py`` with the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import (
    NotOurs,
    cut,
    field,
    moment,
    needed_text,
    quote,
    refuse,
    text_field,
    type_of,
    vm_or_not_ours,
)
from spot_responder.intake.signals import AgentReport, Signal, SignalKind, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from spot_responder.intake.vms import VmId

EVICTION_NOTICE_TYPE: Final = "SpotAgent.EvictionNotice"
MAINTENANCE_TYPE: Final = "SpotAgent.Maintenance"
WORKLOAD_READY_TYPE: Final = "SpotAgent.WorkloadReady"

_EVICTION: Final = "Preempt"
_MAINTENANCE: Final = ("Reboot", "Redeploy", "Freeze", "Terminate", "SpotRebalanceRecommendation")


def read_agent_report(event: Mapping[str, object]) -> Signal | NotOurs:
    """Read a message of an agent, and say why where it is none: nothing else is read from this inbox.

    Raises:
        UnreadableEvent: of an agent's type, and without a VM, a valid time or what its type needs.
    """
    type_name = type_of(event)
    reader = _READERS.get(type_name.lower())
    if reader is not None:
        return reader(event)
    if not type_name:
        refuse("the message has no 'type'; expected a CloudEvent of an agent")
    return NotOurs(f"{quote(type_name)} is no agent's word, and the queue agents takes nothing else.")


def is_agents_type(type_name: str) -> bool:
    """Whether messages of this type are taken from the queue ``agents``."""
    return type_name.lower() in _READERS


def _read_notice(event: Mapping[str, object]) -> Signal | NotOurs:
    """Read that the VM's metadata service announces its eviction.

    {"type": "SpotAgent.EvictionNotice", "id": "…/EvictionNotice", "subject": "/subscriptions/…/virtualMachines/vm1",
     "data": {"eventType": "Preempt", "detectedAt": "2026-03-02T10:00:01Z", "late": false}}
    """
    _one_of((_EVICTION,), event)
    return _signal(event, SignalKind.AGENT_NOTICED, _time(event, "detectedAt"), _EVICTION)


def _read_maintenance(event: Mapping[str, object]) -> Signal | NotOurs:
    """Read that the VM's metadata service announces anything else; the fields are those of a notice."""
    event_type = _one_of(_MAINTENANCE, event)
    return _signal(event, SignalKind.AGENT_MAINTENANCE, _time(event, "detectedAt"), event_type)


def _read_ready(event: Mapping[str, object]) -> Signal | NotOurs:
    """Read that the workload of a VM goes on.

    {"type": "SpotAgent.WorkloadReady", "id": "…/WorkloadReady", "subject": "…",
     "data": {"readyAt": "2026-03-02T10:02:21Z", "late": false}}
    """
    return _signal(event, SignalKind.WORKLOAD_READY, _time(event, "readyAt"), "")


def _signal(event: Mapping[str, object], kind: SignalKind, at: datetime, detail: str) -> Signal | NotOurs:
    vm: VmId | NotOurs = vm_or_not_ours(text_field(event, "subject"))
    if isinstance(vm, NotOurs):
        return vm
    return Signal(vm, kind, at, Source.AGENT, detail, report=AgentReport(cut(needed_text(event, "id")), _late(event)))


def _one_of(allowed: tuple[str, ...], event: Mapping[str, object]) -> str:
    said = needed_text(event, "data", "eventType")
    known = next((each for each in allowed if each.lower() == said.lower()), None)
    return known or refuse(f"data.eventType is {quote(said)}; expected {' or '.join(allowed)}")


def _time(event: Mapping[str, object], name: str) -> datetime:
    said = needed_text(event, "data", name)
    return moment(said) or refuse(f"data.{name} is {quote(said)}; expected ISO 8601 such as '2026-03-01T10:00:00Z'")


def _late(event: Mapping[str, object]) -> bool:
    said = field(event, "data", "late")
    return said if isinstance(said, bool) else refuse(f"data.late is {quote(said)}; expected true or false")


_READERS: Final[Mapping[str, Callable[[Mapping[str, object]], Signal | NotOurs]]] = {
    EVICTION_NOTICE_TYPE.lower(): _read_notice,
    MAINTENANCE_TYPE.lower(): _read_maintenance,
    WORKLOAD_READY_TYPE.lower(): _read_ready,
}
