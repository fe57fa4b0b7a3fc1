"""Recorded sizes and VMs, for tests of what fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spot_responder.offerings.prices import Os
from spot_responder.offerings.skus import Sku, read_skus
from spot_responder.offerings.spot_cores import SpotCores
from spot_responder.offerings.vm_shapes import VmShape

if TYPE_CHECKING:
    from collections.abc import Mapping

SKUS: Final = Path(__file__).parents[1] / "payloads" / "skus"
REGION: Final = "southcentralus"
PLENTY: Final = SpotCores(used=10, limit=1000)


def items(name: str) -> list[Any]:
    """Read the sizes of a recorded answer as Azure wrote them."""
    listed: list[Any] = json.loads((SKUS / f"{name}.json").read_text(encoding="utf-8"))["value"]
    return listed


def recorded() -> dict[str, Sku]:
    """Give the sizes that the API described in June 2025."""
    return dict(read_skus(items("recorded_southcentralus"), REGION))


def changed(skus: Mapping[str, Sku], size: str, **capabilities: str | None) -> dict[str, Sku]:
    """Give the sizes with other capabilities of one; ``None`` takes one away."""
    sku = skus[size.lower()]
    now = {**sku.capabilities, **{name.lower(): value for name, value in capabilities.items() if value is not None}}
    for name, value in capabilities.items():
        if value is None:
            now.pop(name.lower(), None)
    return {**skus, size.lower(): Sku(sku.name, sku.family, now, sku.zones, sku.refused, sku.odd_restriction)}


def vm(**fields: Any) -> VmShape:  # noqa: ANN401 - whatever a VM has
    """Give a usual VM: a deallocated Linux of two cores, whose disks ARM tells."""
    usual: dict[str, Any] = {
        "location": REGION,
        "size": "Standard_D2s_v3",
        "zone": None,
        "os": Os.LINUX,
        "generation": "V2",
        "disk_controller": "SCSI",
        "disk_types": ("Premium_LRS",),
        "data_disks": 0,
        "nics": 1,
        "has_accelerated_networking": True,
        "security_type": "Standard",
        "encrypts_at_host": False,
        "has_disk_encryption": False,
        "has_ephemeral_os_disk": False,
        "has_placement_group": False,
        "max_price": None,
    }
    return VmShape(**usual | fields)
