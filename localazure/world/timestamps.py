"""Times and ids as Azure writes them."""

from __future__ import annotations

import uuid
from datetime import UTC
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

_NAMESPACE: Final = uuid.UUID("00000000-0000-4000-8000-000000000001")

TENANT_ID: Final = str(uuid.uuid5(_NAMESPACE, "tenant"))
"""The one tenant of the laptop Azure."""


def guid(*parts: object) -> str:
    """Derive an id that is the same in every run, so that a rehearsal can be repeated exactly."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(str(part).lower() for part in parts)))


def offset_time(at: datetime) -> str:
    """Write a time as Compute does: ``2025-11-16T23:19:30.7179160+00:00``."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0+00:00"


def zulu_time(at: datetime) -> str:
    """Write a time as Resource Health and Resource Graph do: ``2025-11-16T23:05:57.0000000Z``."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"
