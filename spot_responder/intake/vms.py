"""A virtual machine: its id, its power state, and what Azure says about it now. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

from spot_responder.text import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# One path segment of an ARM id, and so any name in it: of a VM, a group, a subscription. As wide as Azure's rules
# (letters of any script, dots, brackets; Microsoft's samples carry placeholders such as "{vm-name}"), without what
# Azure allows in no name and what could break a query, a table key or the path of a request (".."); what is not
# printable is refused apart.
_SEGMENT: Final = r"(?!\.{1,2}(?:/|$))[^\s/|\\'\"?#%;:*<>+=,@&\[\]]{1,128}"
_NAME: Final = re.compile(_SEGMENT)
_VM_ID: Final = re.compile(
    rf"/subscriptions/(?P<subscription>{_SEGMENT})"
    rf"/resourcegroups/(?P<group>{_SEGMENT})"
    rf"/providers/microsoft\.compute/(?:virtualmachinescalesets/(?P<set>{_SEGMENT})/)?virtualmachines/(?P<name>{_SEGMENT})"
    r"(?P<rest>/.*)?",
    re.IGNORECASE | re.DOTALL,
)

SPOT_PRIORITIES: Final = frozenset({"spot", "low", "spotplus"})
"""Values of ``properties.priority`` that mean Spot: ``Low`` is the old name, ``SpotPlus`` the 2026 one."""


def _only_seems_ascii(character: str) -> bool:
    """Whether its lower case is an ASCII letter though it is none itself, as the sign for Kelvin and ``k``."""
    return character.lower().isascii() and not character.isascii()


def is_vm_name(text: str) -> bool:
    """Whether a VM may have this name, by the rule that ids are read by."""
    return _NAME.fullmatch(text) is not None and _is_plain(text)


def _is_plain(text: str) -> bool:
    # Nearly every text is ASCII; each letter of each row is looked at only where one is not.
    return text.isprintable() and (text.isascii() or not any(map(_only_seems_ascii, text)))


class NotAVmIdError(ValueError):
    """The text is not the ARM id of a virtual machine that the app handles."""


@dataclass(frozen=True, slots=True)
class VmId:
    """The ARM id of one VM. Ids are equal whatever their casing: Azure does not spell them alike everywhere.

    ``scale_set``: of an instance of a Uniform scale set, whose ``name`` is its number there; ``""`` for a stand-alone
    VM. Rows and messages can name either, for keys of tables cannot be changed later; the app handles no instances yet.
    """

    subscription_id: str = field(compare=False)
    resource_group: str = field(compare=False)
    name: str = field(compare=False)
    scale_set: str = field(compare=False, default="")
    key: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Derive the lower-case key that equality, hashing, table keys and queries go by."""
        object.__setattr__(self, "key", str(self).lower())

    def __str__(self) -> str:
        """Give the id as ARM writes it, in the casing that was read."""
        of_set = f"virtualMachineScaleSets/{self.scale_set}/" if self.scale_set else ""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Compute/{of_set}virtualMachines/{self.name}"
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the ARM id of a VM that the app handles, in any casing, with or without what hangs below the VM.

        ``…/virtualMachines/vm1/providers/Microsoft.ResourceHealth/…/current`` is VM ``vm1``.

        Raises:
            NotAVmIdError: naming the text; also for an instance of a Uniform scale set.
        """
        vm_id = cls.parse_kept(text)
        if vm_id.scale_set:
            message = f"an instance of a Uniform scale set, which the app does not handle yet: {shortened(text, 300)!r}"
            raise NotAVmIdError(message)
        return vm_id

    @classmethod
    def parse_kept(cls, text: str) -> Self:
        """Read an id that a row keeps: of a stand-alone VM, or ``…/virtualMachineScaleSets/s/virtualMachines/0``.

        Raises:
            NotAVmIdError: naming the text.
        """
        plain = text.strip().rstrip("/")
        match = _VM_ID.fullmatch(plain)
        if match is None or not _is_plain(plain):
            message = f"not the id of a virtual machine: {shortened(text, 300)!r}"
            raise NotAVmIdError(message)
        return cls(match["subscription"], match["group"], match["name"], match["set"] or "")


class PowerState(StrEnum):
    """Power states of an instance view, without their ``PowerState/`` prefix."""

    CREATING = "creating"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DEALLOCATING = "deallocating"
    DEALLOCATED = "deallocated"
    UNKNOWN = "unknown"

    @property
    def is_up_or_coming_up(self) -> bool:
        """Whether it runs, or somebody has begun to start it."""
        return self in {PowerState.CREATING, PowerState.STARTING, PowerState.RUNNING}

    @property
    def is_down_or_going_down(self) -> bool:
        """Whether it is deallocated, or about to be."""
        return self in {PowerState.STOPPING, PowerState.DEALLOCATING, PowerState.DEALLOCATED}

    @classmethod
    def parse(cls, code: str | None) -> PowerState:
        """Read ``PowerState/deallocated`` in any casing; anything else, or nothing, is ``UNKNOWN``.

        Azure may leave the power state out (docs/azure-facts.md arm-12), so a missing one is not an error.
        """
        name = (code or "").rpartition("/")[2].lower()
        return cls(name) if name in cls else cls.UNKNOWN


def tag_value(tags: Mapping[str, str], name: str) -> str | None:
    """Give a tag's value as typed; its name may be in any casing."""
    return next((value for key, value in tags.items() if key.lower() == name.lower()), None)


def says_true(tags: Mapping[str, str], name: str) -> bool:
    """Whether a tag is there and says true, in any casing.

    Azure compares tag names without regard to case. Values it keeps as typed; ``True``, as PowerShell writes it, is
    meant as true by everyone who types it.
    """
    return any(key.lower() == name.lower() and value.lower() == "true" for key, value in tags.items())


SHOWN_COLUMNS: Final = (
    "id",
    "location",
    "zones",
    "tags",
    "priority",
    "size",
    "maxPrice",
    "powerState",
    "scaleSetId",
    "restoredByScaleSet",
    "annotation",
    "annotatedAt",
)
"""In which columns Resource Graph shows a VM: those of ``queries/confirm.kql``."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """The newest Resource Health annotation of a VM: why its availability changed, in Azure's own word."""

    name: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Vm:
    """What Azure says about one VM now.

    ``max_price`` is in USD an hour; ``None`` or -1 means no price limit. ``restored_by_scale_set`` is ``None`` where
    only ARM was asked, which does not tell. ``etag``: of what ARM showed, ``""`` where it gave none.
    ``principal_id``: of its system-assigned identity; ARM and ``work.kql`` tell. ``unique_id``: Azure's ``vmId``, which
    only ARM tells; a VM that is made anew under a name has another.
    """

    vm_id: VmId
    location: str
    size: str
    priority: str
    tags: Mapping[str, str]
    power_state: PowerState
    zone: str | None = None
    max_price: float | None = None
    annotation: Annotation | None = None
    scale_set_id: str | None = None
    restored_by_scale_set: bool | None = False
    etag: str = ""
    principal_id: str | None = field(default=None, repr=False)
    unique_id: str = ""

    @property
    def is_spot(self) -> bool:
        """Whether Azure may evict this VM."""
        return self.priority.lower() in SPOT_PRIORITIES

    def has_tag(self, name: str) -> bool:
        """Whether the tag is there and says true."""
        return says_true(self.tags, name)

    def is_covered(self, restart_tag: str) -> bool:
        """Whether the app restarts it: a Spot VM with the tag, not restored by its scale set as far as is known."""
        return self.is_spot and self.has_tag(restart_tag) and not self.restored_by_scale_set

    def with_current(self, current: Vm) -> Vm:
        """Take over what ARM says at this moment, and keep what only Resource Graph knows."""
        return replace(
            current,
            annotation=self.annotation,
            scale_set_id=current.scale_set_id or self.scale_set_id,
            restored_by_scale_set=self.restored_by_scale_set,
        )
