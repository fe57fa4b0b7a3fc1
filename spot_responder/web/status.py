"""The status over HTTP: a page for browsers, JSON for programs. Called by ``function_app.py``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from spot_responder.advised_command import CommandLine
from spot_responder.operators.gather import gather_status
from spot_responder.operators.ports import CouldNotLookError
from spot_responder.operators.views.json_form import json_form
from spot_responder.responder.log import log_status_not_shown
from spot_responder.responder.ports import AzureRefusedError
from spot_responder.web.views.page import status_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from spot_responder.operators.ports import OperatorPorts
    from spot_responder.operators.views.status import Overview
    from spot_responder.settings import Settings

HTML: Final = "text/html"
JSON: Final = "application/json"
_TEXT: Final = "text/plain"

HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
}
"""Headers that keep the function's key, which may stand in the page's address, out of caches and referrers."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer over HTTP; its headers are ``HEADERS``."""

    status: int
    media_type: str
    body: str


async def show_status(
    accept: str,
    open_ports: Callable[[], AbstractAsyncContextManager[OperatorPorts]],
    settings: Settings,
    now: datetime,
) -> Shown:
    """Look around, and show it as ``accept`` (the request's header, ``""`` where it has none) asks for."""
    wanted = media_type_for(accept)
    # What programs get is what `status --json` prints; what people read, they copy.
    command = CommandLine(local=settings.is_of_a_laptop and wanted == HTML)
    try:
        async with open_ports() as ports:
            overview = await gather_status(ports, settings, now, command)
    except (CouldNotLookError, AzureRefusedError) as problem:
        # What an operator would do about its own login does not help the app's identity.
        why = problem.what if isinstance(problem, CouldNotLookError) else str(problem)
        log_status_not_shown(why)
        told = f"the status cannot be shown: {why}. Where to begin: {command('doctor')}\n"
        return Shown(HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, told)
    return Shown(HTTPStatus.OK, wanted, _written(overview, wanted, command))


def media_type_for(accept: str) -> str:
    """Give HTML where that is named and JSON is not, as browsers ask; any other caller is a program."""
    named = accept.lower()
    return HTML if HTML in named and JSON not in named else JSON


def _written(overview: Overview, media_type: str, command: CommandLine) -> str:
    if media_type == HTML:
        return status_page(overview, command)
    return json.dumps(json_form(overview), indent=2) + "\n"
