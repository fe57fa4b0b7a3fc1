"""A VM as somebody asks ARM to create it, read into one of the world. Called by ``made.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localazure.resource_manager.compute.tags import checked_tags
from localazure.world.azure_errors import Refused
from localazure.world.machines import Availability, Condition, Machine, PowerState

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping
    from datetime import datetime


def new_vm(match: re.Match[str], content: Mapping[str, Any], now: datetime) -> Machine:
    """Read the body of a PUT; raises ``Refused`` 400 where it names no size or no place."""
    try:
        size, location = str(content["properties"]["hardwareProfile"]["vmSize"]), str(content["location"])
    except (KeyError, TypeError) as error:
        raise Refused(400, "InvalidParameter", f"Required parameter {error} is missing (null).") from error
    properties = content["properties"]
    availability = Availability("Unknown", "Unknown", now)
    tags = checked_tags(content.get("tags") or {})
    condition = Condition(PowerState.STARTING, dict(tags), now, availability, provisioning_state="Creating")
    zones = content.get("zones") or [None]
    return Machine(
        name=match["name"],
        subscription_id=match["subscription"],
        resource_group=match["group"],
        location=location,
        size=size,
        zone=zones[0],
        priority=str(properties.get("priority", "Regular")),
        eviction_policy=str(properties.get("evictionPolicy", "Deallocate")),
        max_price=float((properties.get("billingProfile") or {}).get("maxPrice", -1.0)),
        scale_set_id=None,
        created_at=now,
        conditions=[(now, condition)],
    )
