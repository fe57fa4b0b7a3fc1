"""What an error of storage or identity means to an operator: what was found at which address, and what to do.

Called by ``operator_connections.py`` and the clients that only operators use.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, HttpResponseError

from spot_responder.clients.logins import is_for_want_of_a_token
from spot_responder.clients.sdk_errors import failure_of
from spot_responder.operators.ports import CouldNotLookError

if TYPE_CHECKING:
    from spot_responder.settings import Settings

_DEAD_LETTERS: Final = "DEAD_LETTERS_ENDPOINT"
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class _Service(NamedTuple):
    """One address of the settings, and the role that an operator needs there."""

    setting: str
    address: str
    role: str


def could_not_look(error: AzureError, settings: Settings) -> CouldNotLookError:
    """Explain an error of the SDKs to an operator."""
    if is_for_want_of_a_token(error):
        return no_login(error)
    where = _asked(error)
    asked = [service for service in _services(settings) if urlsplit(service.address).netloc == urlsplit(where).netloc]
    named = " or ".join(service.setting for service in asked) or "the address"
    if not isinstance(error, HttpResponseError) or error.response is None:
        what = f"nobody answers at {where}" if where else f"Azure cannot be reached ({error.message})"
        return CouldNotLookError(what, f"is {named} right, and is the network there?")
    told = getattr(error, "error_code", "")
    code = str(getattr(told, "value", told) or error.status_code)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return CouldNotLookError(f"nothing is deployed at {where} ({code})", f"is {named} that of the app?")
    if error.status_code in _DENIED:
        roles = " or ".join(service.role for service in asked)
        what = f"this login may not do that at {where} ({code})"
        return CouldNotLookError(what, f"have {roles or 'the right'} assigned to it", is_wrong=False)
    message = failure_of(error).message
    return CouldNotLookError(f"{where} answered {code}{f' ({message})' if message else ''}", "try again")


def no_login(error: AzureError) -> CouldNotLookError:
    """Say that there is no token."""
    what = f"nobody is logged in, or not for long enough ({failure_of(error).message})"
    return CouldNotLookError(what, "run `az login`, then try again")


def dead_letters_not_set() -> CouldNotLookError:
    """Say that no setting names the place of dead letters, and how to set it."""
    mend = f"export {_DEAD_LETTERS} as the app has it (docs/operations.md §1); where it has none: azd provision"
    return CouldNotLookError(f"{_DEAD_LETTERS} is not set", mend, is_wrong=False)


def _services(settings: Settings) -> tuple[_Service, ...]:
    services = (
        _Service("AzureWebJobsStorage__queueServiceUri", settings.queue_endpoint, _data_role("Queue")),
        _Service("AzureWebJobsStorage__tableServiceUri", settings.table_endpoint, _data_role("Table")),
        _Service(_DEAD_LETTERS, settings.dead_letters_endpoint or "", _data_role("Blob")),
        _Service("ARM_ENDPOINT", settings.arm_endpoint, "Reader"),
    )
    return tuple(service for service in services if service.address)


def _data_role(kind: str) -> str:
    return f"Storage {kind} Data Reader (to act: Contributor)"


def _asked(error: AzureError) -> str:
    """Give the address that was asked; ``""`` where the error does not name it."""
    request = getattr(getattr(error, "response", None), "request", None)
    parts = urlsplit(str(getattr(request, "url", "")))
    if parts.netloc:
        return f"{parts.scheme}://{parts.netloc}"
    # The error of aiohttp for a refused connection has the host that it tried.
    tried = error.inner_exception
    host, port = getattr(tried, "host", None), getattr(tried, "port", None)
    if not host:
        return ""
    return f"https://{host}" if port in {None, 443} else f"https://{host}:{port}"
