"""Turns exceptions of Azure's SDKs into the responder's ``AzureRefusedError`` and ``Failure``. For all ports."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import AzureError, HttpResponseError

from spot_responder.clients.logins import cause_of, is_for_want_of_a_token
from spot_responder.intake.azure_errors import UNREADABLE_ANSWER, Failure, FailureKind, classify, no_token
from spot_responder.responder.ports import AzureRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping


def refusal(error: AzureError, what: str) -> AzureRefusedError:
    """Say that Azure refused, and why, by status, body and headers.

    The error's class says nothing (docs/azure-facts.md arm-1). ``what`` completes the sentence "Azure refused to …".
    """
    return AzureRefusedError(failure_of(error), what)


def failure_of(error: AzureError) -> Failure:
    """Classify an SDK error; a request that was not sent for lack of a token is not counted as Azure's silence."""
    if is_for_want_of_a_token(error):
        return no_token(cause_of(error.message))
    if not isinstance(error, HttpResponseError) or error.response is None:
        return classify(None, error.message, {})
    headers: Mapping[str, str] = dict(getattr(error.response, "headers", {}))
    return classify(error.status_code, error.response.text(), headers)


UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, zlib.error)
"""The exceptions that the SDKs and this package raise at a malformed answer: no JSON, no gzip, other types."""


def unreadable(error: Exception, what: str, code: str = UNREADABLE_ANSWER) -> AzureRefusedError:
    """Say that Azure, or a proxy in between, gave an answer that cannot be read."""
    failure = Failure(
        FailureKind.UNKNOWN, code, f"the answer cannot be read: {type(error).__name__}: {error}"[:300], None
    )
    return AzureRefusedError(failure, what)
