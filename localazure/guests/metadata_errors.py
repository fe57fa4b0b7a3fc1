"""The metadata service's error answers, in its words where those are published, with the status in any case.

Sources: Microsoft's "Azure Instance Metadata Service", "How to use managed identities to get an access token" and
"Common error codes when using IMDS to retrieve load balancer information". Raised by ``metadata_answers.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NEWEST_VERSIONS: Final = ("2025-04-07", "2024-07-17", "2024-03-15")
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(eq=False)
class MetadataRefused(Exception):  # noqa: N818 - as the world's Refused
    """The service answers with an error."""

    status: int
    body: Mapping[str, object]
    headers: Mapping[str, str] = field(default=_NONE)

    def __str__(self) -> str:
        """Say status and body in one line."""
        return f"{self.status} {dict(self.body)}"


def without_header() -> MetadataRefused:
    """Refuse a request without ``Metadata: true``, which no redirect and few forged requests carry."""
    return MetadataRefused(400, {"error": "Bad request. Required metadata header not specified"})


def forwarded() -> MetadataRefused:
    """Refuse a request that came by way of a proxy. That it is refused is documented, the words are ours."""
    return MetadataRefused(400, {"error": "Bad request. X-Forwarded-For header is not allowed"})


def bad_version() -> MetadataRefused:
    """Refuse a request without api-version, or with one that there is not."""
    said = (
        "Bad request. api-version is invalid or was not specified in the request. For more information refer to "
        "aka.ms/azureimds"
    )
    return MetadataRefused(400, {"error": said, "newest-versions": list(NEWEST_VERSIONS)})


def bad_request(said: str) -> MetadataRefused:
    """Refuse what cannot be read."""
    return MetadataRefused(400, {"error": f"Bad request. {said}"})


def not_found() -> MetadataRefused:
    """Say that there is no such thing: a path, or a version that is not available here."""
    return MetadataRefused(404, {"error": "Not found"})


def wrong_method(allowed: str) -> MetadataRefused:
    """Refuse a verb."""
    return MetadataRefused(405, {"error": "Method not allowed"}, {"Allow": allowed})


def too_many_requests() -> MetadataRefused:
    """Refuse the sixth request in a second."""
    return MetadataRefused(429, {"error": "Too many requests"})


def no_load_balancer() -> MetadataRefused:
    """Say that no load balancer other than a basic one has this VM in its pool."""
    said = (
        "No load balancer metadata is found. Please check if your VM is using any non-basic SKU load balancer and "
        "retry later."
    )
    return MetadataRefused(404, {"error": said})


def identity_refused(description: str) -> MetadataRefused:
    """Refuse a token, in the words of OAuth."""
    return MetadataRefused(400, {"error": "invalid_request", "error_description": description})
