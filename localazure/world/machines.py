"""A virtual machine of the laptop Azure: its properties, its state now, and its earlier states."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypedDict, Unpack

from localazure.world.market import PoolGate
from localazure.world.timestamps import guid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from localazure.world.azure_errors import CloudError
    from localazure.world.operations import ResizeCall, StartCall


class PowerState(StrEnum):
    """Power states, in Azure's words."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DEALLOCATING = "deallocating"
    DEALLOCATED = "deallocated"


@dataclass(frozen=True, slots=True)
class Annotation:
    """A Resource Health annotation."""

    name: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Availability:
    """An availability state and the one before it: ``Available`` or ``Unavailable``."""

    state: str
    previous: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """All of a VM that changes in its life, at one moment."""

    power_state: PowerState
    tags: Mapping[str, str]
    provisioned_at: datetime
    availability: Availability
    provisioning_state: str = "Succeeded"
    failure: CloudError | None = None
    annotation: Annotation | None = None


class Changes(TypedDict, total=False):
    """The fields of a condition that may change."""

    power_state: PowerState
    tags: Mapping[str, str]
    provisioned_at: datetime
    availability: Availability
    provisioning_state: str
    failure: CloudError | None
    annotation: Annotation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What a VM was made with: it decides which sizes it can take."""

    generation: str = "V2"
    disk_type: str = "Premium_LRS"
    data_disks: int = 0
    nics: int = 1
    has_accelerated_networking: bool = False
    has_ephemeral_os_disk: bool = False


@dataclass(eq=False, slots=True, kw_only=True)
class Machine:
    """One VM, kept after it is gone, for the record.

    ``conditions`` holds every condition with the time it began. ``turn`` counts the changes of plan: a move that was
    planned in an earlier turn no longer happens. ``max_price`` is in USD an hour, -1 is no limit. ``stop_calls`` holds
    when somebody asked for it to be stopped or deallocated.
    """

    name: str
    subscription_id: str
    resource_group: str
    location: str
    size: str
    zone: str | None
    priority: str
    eviction_policy: str
    max_price: float
    scale_set_id: str | None
    created_at: datetime
    conditions: list[tuple[datetime, Condition]]
    start_calls: list[StartCall] = field(default_factory=list)
    resize_calls: list[ResizeCall] = field(default_factory=list)
    operation_id: str | None = None
    evictions: list[datetime] = field(default_factory=list)
    stop_calls: list[datetime] = field(default_factory=list)
    deleted_at: datetime | None = None
    deleted_by_eviction: bool = False
    turn: int = 0
    os: str = "Linux"
    hardware: Hardware = field(default_factory=Hardware)

    @property
    def vm_id(self) -> str:
        """The ARM id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Compute/virtualMachines/{self.name}"
        )

    @property
    def unique_id(self) -> str:
        """What Azure calls ``vmId``: another one where a VM of the same name was made anew."""
        return guid("vm", self.vm_id, self.created_at)

    @property
    def pool(self) -> PoolGate:
        """The pool it takes its place from."""
        return PoolGate(self.subscription_id, self.location, self.zone, self.size, self.is_spot)

    @property
    def is_spot(self) -> bool:
        """Whether Azure may evict it."""
        return self.priority in {"Spot", "Low", "SpotPlus"}

    @property
    def evicted_at(self) -> datetime | None:
        """When it was evicted last."""
        return self.evictions[-1] if self.evictions else None

    @property
    def condition(self) -> Condition:
        """How it is now, or was when it went."""
        return self.conditions[-1][1]

    @property
    def power_state(self) -> PowerState:
        """The power state now."""
        return self.condition.power_state

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags now."""
        return self.condition.tags

    @property
    def power_history(self) -> list[tuple[datetime, PowerState]]:
        """Every power state it went through, with the time it began."""
        history: list[tuple[datetime, PowerState]] = []
        for at, condition in self.conditions:
            if not history or history[-1][1] is not condition.power_state:
                history.append((at, condition.power_state))
        return history

    @property
    def running_at(self) -> datetime | None:
        """Since when it has been running; ``None`` when it is not."""
        at, state = self.power_history[-1]
        return at if state is PowerState.RUNNING and self.deleted_at is None else None

    def condition_at(self, when: datetime) -> Condition | None:
        """How it was at a time; ``None`` before it was made and after it was gone."""
        if self.deleted_at is not None and self.deleted_at <= when:
            return None
        return next((condition for at, condition in reversed(self.conditions) if at <= when), None)

    def become(self, at: datetime, **changes: Unpack[Changes]) -> None:
        """Change, from this time on."""
        self.conditions.append((at, replace(self.condition, **changes)))
