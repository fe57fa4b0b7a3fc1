"""Turns what Azure's SDKs raise into what the responder understands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError, HttpResponseError

from spot_responder.clients.logins import cause_of, is_for_want_of_a_token
from spot_responder.doors import AzureRefusedError
from spot_responder.failures import classify, no_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_responder.failures import Failure


def refusal(error: AzureError, what: str) -> AzureRefusedError:
    """Say that Azure refused, and why: by status, body and headers; the error's class says nothing (facts/arm.md §0.1).

    ``what`` completes the sentence "Azure refused to …".
    """
    return AzureRefusedError(failure_of(error), what)


def failure_of(error: AzureError) -> Failure:
    """Classify an SDK error; what was not sent for want of a token is no silence of Azure's."""
    if is_for_want_of_a_token(error):
        return no_token(cause_of(error.message))
    if not isinstance(error, HttpResponseError) or error.response is None:
        return classify(None, error.message, {})
    headers: Mapping[str, str] = dict(getattr(error.response, "headers", {}))
    return classify(error.status_code, error.response.text(), headers)
