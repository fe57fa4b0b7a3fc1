"""Long-running operations, and the record of which principal asked for what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from localazure.world.azure_errors import CloudError

IN_PROGRESS = "InProgress"


@dataclass(frozen=True, slots=True)
class Operation:
    """One long-running operation. ``status`` is ``InProgress``, ``Succeeded``, ``Failed`` or ``Canceled``."""

    operation_id: str
    action: str
    vm_id: str
    subscription_id: str
    location: str
    caller: str
    started_at: datetime
    status: str = IN_PROGRESS
    ended_at: datetime | None = None
    error: CloudError | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request to ARM or Resource Graph: ``operation`` is the RBAC action it needs, ``code`` an error's, or ""."""

    at: datetime
    principal: str
    method: str
    operation: str
    vm_id: str | None
    status: int = 0
    code: str = ""


@dataclass(frozen=True, slots=True)
class ResizeCall:
    """One request for another size that reached Compute and was taken: what it met, and in which power state."""

    at: datetime
    caller: str
    was: str
    size: str
    power_state: str


@dataclass(frozen=True, slots=True)
class StartCall:
    """One request to start a VM that reached Compute: 202 was accepted, anything else refused."""

    at: datetime
    caller: str
    status: int
    code: str = ""
