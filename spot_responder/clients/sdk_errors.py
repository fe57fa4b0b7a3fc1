"""Turns what Azure's SDKs raise into what the responder understands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError, HttpResponseError

from spot_responder.doors import AzureRefusedError
from spot_responder.failures import classify

if TYPE_CHECKING:
    from collections.abc import Mapping


def refusal(error: AzureError, what: str) -> AzureRefusedError:
    """Classify an SDK error by status, body and headers; the exception's class says nothing (facts/arm.md §0.1).

    ``what`` completes the sentence "Azure refused to …".
    """
    if not isinstance(error, HttpResponseError) or error.response is None:
        return AzureRefusedError(classify(None, error.message, {}), what)
    headers: Mapping[str, str] = dict(getattr(error.response, "headers", {}))
    return AzureRefusedError(classify(error.status_code, error.response.text(), headers), what)
