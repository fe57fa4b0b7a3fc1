"""The signed, long, opaque address of a long-running operation. Made and read by ``arm.py``."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from localazure.world.timestamps import guid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localazure.world.operations import Operation

# Azure's addresses carry a whole certificate and are well over 4 KB (docs/azure-facts.md arm-6): clients must bear it.
_CERTIFICATE_BYTES: Final = 3600
_TICKS_EPOCH: Final = datetime(1, 1, 1, tzinfo=UTC)


def address(origin: str, operation: Operation, api_version: str, key: bytes, *, monitor: bool = False) -> str:
    """Build the address: ``Azure-AsyncOperation``'s, or with ``monitor`` the one that ``Location`` carries."""
    ticks = str((operation.started_at - _TICKS_EPOCH) // (datetime.resolution) * 10)
    certificate = _certificate(key)
    parts = {
        "p": guid("principal", operation.caller),
        "api-version": api_version,
        "t": ticks,
        "c": certificate,
        "s": _signature(key, operation.operation_id, ticks, certificate),
        "h": _text(hashlib.sha256(operation.operation_id.encode()).digest()),
    }
    if monitor:
        parts = {"p": parts["p"], "monitor": "true"} | parts
    query = "&".join(f"{name}={value}" for name, value in parts.items())
    return (
        f"{origin}/subscriptions/{operation.subscription_id}/providers/Microsoft.Compute/locations/"
        f"{operation.location}/operations/{operation.operation_id}?{query}"
    )


def is_signed(operation_id: str, query: Mapping[str, str], key: bytes) -> bool:
    """Whether the signature in the query is the one we gave for this operation."""
    expected = _signature(key, operation_id.lower(), query.get("t", ""), query.get("c", ""))
    return hmac.compare_digest(expected.encode(), query.get("s", "").encode())


def _signature(key: bytes, operation_id: str, ticks: str, certificate: str) -> str:
    return _text(hmac.new(key, f"{operation_id}\n{ticks}\n{certificate}".encode(), hashlib.sha256).digest())


def _certificate(key: bytes) -> str:
    return "MII" + _text(hashlib.shake_256(b"certificate" + key).digest(_CERTIFICATE_BYTES))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
