"""How the status is answered where there is nothing to look at, or nobody says what is wanted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from spot_responder.decisions.policy import Policy
from spot_responder.operators.ports import CouldNotLookError
from spot_responder.settings import Settings
from spot_responder.web.status import HTML, JSON, Shown, media_type_for, show_status
from tests.harness.makers import TEN

if TYPE_CHECKING:
    from spot_responder.operators.ports import OperatorPorts

SETTINGS = Settings("https://queue", "https://table", "https://arm", None, dry_run=False, policy=Policy())


class Shut:
    """Ports that cannot be opened."""

    async def __aenter__(self) -> OperatorPorts:
        """Say why not."""
        what = "nothing is deployed at https://table (TableNotFound)"
        raise CouldNotLookError(what, "is it the app's storage account?")

    async def __aexit__(self, *_error: object) -> None:
        """Be shut."""


def shown(accept: str) -> Shown:
    """Ask."""
    return asyncio.run(show_status(accept, Shut, SETTINGS, TEN))


def test_where_it_cannot_look_it_says_why_and_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    """The tables are gone: 503, one line, the same in the log, and no traceback."""
    answer = shown("text/html")
    assert (answer.status, answer.media_type) == (HTTPStatus.SERVICE_UNAVAILABLE, "text/plain")
    told = "the status cannot be shown: nothing is deployed at https://table (TableNotFound). "
    assert answer.body == f"{told}Where to begin: .venv/bin/spot-responder doctor\n"
    assert any('"event": "status not shown"' in line for line in caplog.messages)


@pytest.mark.parametrize(
    "accept", ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "TEXT/HTML;charset=utf-8;q=0.9"]
)
def test_a_browser_gets_the_page(accept: str) -> None:
    """Each names HTML, and none JSON."""
    assert media_type_for(accept) == HTML


@pytest.mark.parametrize(
    "accept",
    ["application/json", "application/json, text/html;q=0.1", "*/*", "image/png", "", "  ", ";;;,,,", "x" * 100_000],
)
def test_anything_else_is_a_program_and_gets_json(accept: str) -> None:
    """Whatever it accepts: a header is anybody's, and no reason to refuse."""
    assert media_type_for(accept) == JSON


def test_on_a_laptop_the_page_advises_for_the_laptop() -> None:
    """Copied into a shell with real settings, a line without --local would act on real Azure."""
    laptop = replace(SETTINGS, arm_endpoint="https://127.0.0.1:4711")
    told = asyncio.run(show_status("text/html", Shut, laptop, TEN)).body
    assert told.endswith("Where to begin: .venv/bin/spot-responder doctor --local\n")
