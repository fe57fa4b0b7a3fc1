"""The agents in the VMs of one schedule: they tell what is so, late, twice or never; and somebody forges their word.

Nobody who judges a promise listens to them: whatever they tell, the promises hold. Called by ``schedule.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from localazure.event_grid.azure_events import DeliverySchema, azure_event
from localazure.world.happenings import Annotated, AvailabilityChanged
from localazure.world.machines import PowerState
from spot_responder.intake.agent_reports import EVICTION_NOTICE_TYPE, MAINTENANCE_TYPE, WORKLOAD_READY_TYPE
from spot_responder.intake.signals import Inbox

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from random import Random

    from localazure.virtual.azure import VirtualAzure
    from localazure.world.happenings import Happening
    from localazure.world.machines import Machine
    from soak.responder.faults import Faults

LEADS_S: Final = (0, 1, 5, 25, 60)
"""How long before an eviction, in seconds, the VM's metadata service announces it."""

_FORGED_FROM_MINUTES: Final = (-600, -60, -12, -4, -1, 0, 0, 0, 3, 30)


@dataclass
class Agents:
    """Agents of some of the VMs, each with a clock that may be off."""

    azure: VirtualAzure
    faults: Faults
    chance: Random
    clocks: dict[str, timedelta] = field(default_factory=dict)
    _told: int = 0

    def install(self) -> None:
        """Let some VMs have an agent, and each tell when its workload goes on."""
        for machine in self.azure.world.machines():
            if self.chance.random() < 0.6:  # noqa: PLR2004 - in more than half of them
                self.clocks[machine.vm_id] = timedelta(seconds=self.chance.choice((0, 0, 2, -200, 300)))
        self.azure.world.listen(self._hear)

    def evict(self, machine: Machine) -> None:
        """Evict a VM; before that, its agent tells of it."""
        lead = timedelta(seconds=self.chance.choice(LEADS_S))
        if machine.vm_id in self.clocks:
            self._tell(EVICTION_NOTICE_TYPE, machine.vm_id, self._clock(machine.vm_id), {"eventType": "Preempt"})
        self.azure.clock.call_after(lead, lambda: self._evict_now(machine))

    def cancelled(self, machine: Machine) -> None:
        """Let an agent tell of an eviction that does not come."""
        if machine.vm_id in self.clocks and machine.power_state is PowerState.RUNNING:
            self._tell(EVICTION_NOTICE_TYPE, machine.vm_id, self._clock(machine.vm_id), {"eventType": "Preempt"})

    def forge(self, machine: Machine) -> None:
        """Let somebody write into the queue what no agent told, of any time."""
        at = self.azure.clock.now() + timedelta(minutes=self.chance.choice(_FORGED_FROM_MINUTES))
        if self.chance.random() < 0.3:  # noqa: PLR2004 - now and then
            self._forge_azure(machine, at)
            return
        kind, data = self.chance.choice(
            (
                (EVICTION_NOTICE_TYPE, {"eventType": "Preempt"}),
                (EVICTION_NOTICE_TYPE, {"eventType": "Preempt"}),
                (MAINTENANCE_TYPE, {"eventType": "Redeploy"}),
                (WORKLOAD_READY_TYPE, {}),
            )
        )
        for _ in range(self.chance.choice((1, 1, 3))):
            self._tell(kind, machine.vm_id, at, data)

    def _forge_azure(self, machine: Machine, at: datetime) -> None:
        """Put an event of Azure's on the agents' queue, which must not be taken from there."""
        self._told += 1
        happening = Annotated(machine.vm_id, at, "VirtualMachinePreempted")
        event = azure_event(happening, f"agent-{self._told}", at).written(DeliverySchema.CLOUD_EVENTS)
        message = {**event, "subject": machine.vm_id}
        self.azure.app.put(json.dumps(message), timedelta(), inbox=Inbox.AGENTS)

    def _evict_now(self, machine: Machine) -> None:
        is_up = machine.power_state in {PowerState.RUNNING, PowerState.STARTING}
        if machine.deleted_at is None and machine.is_spot and is_up:
            self.azure.world.evict(machine.vm_id)

    def _hear(self, happening: Happening) -> None:
        """Let the workload of a VM that has come up go on, some time later."""
        if not isinstance(happening, AvailabilityChanged) or happening.current != "Available":
            return
        if happening.vm_id in self.clocks:
            delay = timedelta(seconds=self.chance.choice((1, 20, 90)))
            self.azure.clock.call_after(delay, lambda: self._ready(happening.vm_id))

    def _ready(self, vm_id: str) -> None:
        self._tell(WORKLOAD_READY_TYPE, vm_id, self._clock(vm_id), {})

    def _clock(self, vm_id: str) -> datetime:
        return self.azure.clock.now() + self.clocks[vm_id]

    def _tell(self, kind: str, vm_id: str, at: datetime, data: Mapping[str, object]) -> None:
        """Put a message on the agents' queue: at once, later, twice, or not at all."""
        self._told += 1
        is_late = not self.faults.is_calm and self.chance.random() < 0.15  # noqa: PLR2004 - now and then
        time = "readyAt" if kind == WORKLOAD_READY_TYPE else "detectedAt"
        message = {
            "specversion": "1.0",
            "id": f"agent-{self._told}",
            "source": vm_id,
            "type": kind,
            "subject": vm_id,
            "time": at.isoformat(),
            "data": {**data, time: at.isoformat(), "late": is_late},
        }
        for delay_s in self._delays():
            self.azure.app.put(json.dumps(message), timedelta(seconds=delay_s), inbox=Inbox.AGENTS)

    def _delays(self) -> tuple[float, ...]:
        prompt = self.chance.uniform(0.2, 3)
        if self.faults.is_calm:
            return (prompt,)
        later = self.chance.choice((5, 40, 300, 1500)) * self.chance.random()
        return self.chance.choice(((prompt,), (prompt,), (prompt,), (later,), (prompt, later), ()))
