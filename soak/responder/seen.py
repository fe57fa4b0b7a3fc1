"""The record of one schedule: the world and its past, the app's requests and events, and the events that it got."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from localazure.world.happenings import ActionSucceeded, Annotated
from localazure.world.vm_lifecycle import DEALLOCATE, START

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from localazure.virtual.app import Deployment
    from localazure.virtual.azure import VirtualAzure
    from localazure.world.happenings import Happening
    from localazure.world.machines import Machine, PowerState
    from soak.responder.faults import Faults, SlowDown

PRICES: Final = (0.01, 0.09)
"""The Spot prices that a size has, in USD an hour; VMs with a limit have 0.05."""

SLIP: Final = ",big"
"""What an owner who mistypes a size writes at the end of its tag."""

LOOK: Final = timedelta(seconds=45)
"""A start may rest on what was true, or told, so long before it."""

CLOCKS: Final = timedelta(minutes=4)
"""Two clocks may be wrong by two minutes each."""


@dataclass(frozen=True, slots=True)
class Told:
    """That the app has answered the message which tells of a happening."""

    happening: Happening
    at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a judgement may rest on.

    Attributes:
        told: what the app knows, since when.
        opened: the VM of each recovery that was ever open, by the recovery's id.
        holds: for each VM's key, since when its row said that an operator holds it, or not.
        looks: how many messages were answered for each VM and hour.
        asked: the ids of what operators asked for, for each VM.
        slow_downs: what Azure asked for that the app has taken note of, since when.
        returns: how often messages about a VM that are no follow-ups were requeued.
        follow_ups: the most valid follow-ups that a VM had on the queue at once.
        refused: for each recovery, with which codes its starts were refused one after the other, and since when.
        broken: what was seen to be wrong as it happened.
    """

    azure: VirtualAzure
    faults: Faults
    deployment: Deployment
    told: list[Told] = field(default_factory=list)
    opened: dict[str, str] = field(default_factory=dict)
    holds: dict[str, list[tuple[datetime, bool]]] = field(default_factory=dict)
    looks: Counter[str] = field(default_factory=Counter)
    asked: dict[str, set[str]] = field(default_factory=dict)
    slow_downs: list[tuple[datetime, SlowDown]] = field(default_factory=list)
    returns: Counter[str] = field(default_factory=Counter)
    follow_ups: Counter[str] = field(default_factory=Counter)
    refused: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def rows(self) -> list[Mapping[str, Any]]:
        """Give the rows of all VMs as they are now."""
        return [row for row, _ in self.azure.app.storage.recoveries.rows.values()]

    def is_ours(self, machine: Machine) -> bool:
        """Whether the app is to restore it, if it is evicted."""
        asked_for = machine.is_spot and is_tagged(machine.tags) and not self.restores_itself(machine)
        return asked_for and machine.eviction_policy == "Deallocate" and not self.deployment.dry_run

    def restores_itself(self, machine: Machine) -> bool:
        """Whether its scale set does."""
        return any(
            one.scale_set_id == machine.scale_set_id and one.restore_policy for one in self.azure.world.scale_sets
        )

    def starts_of(self, machine: Machine) -> list[datetime]:
        """Give when starts of a VM left the app."""
        key = machine.vm_id.lower()
        return [at for at, vm_id in self.faults.starts if vm_id == key]

    def clocks_apart(self) -> timedelta:
        """Give how far the clocks of two instances are apart."""
        errors = self.deployment.clock_errors or (timedelta(),)
        return max(errors) - min(errors)


def is_tagged(tags: Mapping[str, str]) -> bool:
    """Whether the owner asks for restarts."""
    return tags.get("AttemptRestartAfterEviction") == "true"


def is_stop(happening: Happening) -> bool:
    """Whether it says that the owner stopped the VM."""
    if isinstance(happening, ActionSucceeded):
        return happening.operation == DEALLOCATE
    return isinstance(happening, Annotated) and happening.annotation == "VirtualMachineDeallocationInitiated"


def is_start(happening: Happening) -> bool:
    """Whether it says that somebody started the VM."""
    if isinstance(happening, ActionSucceeded):
        return happening.operation == START
    return isinstance(happening, Annotated) and happening.annotation == "VirtualMachineStartInitiatedByControlPlane"


def is_eviction(happening: Happening, vm_id: str, at: datetime) -> bool:
    """Whether it says that this VM was evicted at this time."""
    is_annotation = isinstance(happening, Annotated) and happening.annotation == "VirtualMachinePreempted"
    return is_annotation and (happening.vm_id, happening.occurred_at) == (vm_id, at)


def conditions(machine: Machine, begin: datetime, end: datetime) -> Iterator[Any]:
    """Give every condition that held at some moment between two times."""
    last = machine.deleted_at or datetime.max.replace(tzinfo=end.tzinfo)
    for (since, condition), (until, _) in pairwise([*machine.conditions, (last, None)]):
        if since <= end and until >= begin:
            yield condition


def states(machine: Machine, after: datetime, until: datetime) -> Iterator[PowerState]:
    """Give the power states that began after one time and by another."""
    return (state for at, state in machine.power_history if after < at <= until)
