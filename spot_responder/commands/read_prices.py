"""``read-prices``: the price of a size, as the app reads it from pages of Azure's Retail Prices API.

It asks nothing of Azure. ``offerings/prices.py`` finds the price.
"""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from spot_responder.commands.read_file import Reader, UnreadableFileError, add_reader
from spot_responder.intake.payloads import parse_json
from spot_responder.offerings.price_pages import UnreadablePagesError, read_pages
from spot_responder.offerings.prices import Asked, Os, prices_of
from spot_responder.text import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_responder.commands.arguments import Commands

MOST_BYTES: Final = 32 * 1024 * 1024
"""The most that is read. A region's VMs have some ten pages of 1,000 rows, with 700 bytes each."""

_SIZE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_LOCATION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ]{0,79}")
_EXAMPLES: Final = """\
examples:
  .venv/bin/spot-responder read-prices pages.json --location westeurope --size Standard_D2s_v5 --os linux
  … | .venv/bin/spot-responder read-prices - --location westeurope --size Standard_D2s_v5 --os windows --at 2026-11-15

FILE has the answers of https://prices.azure.com/api/retail/prices: a list of pages, or one page alone. It prints
{"spot": …, "on_demand": …, "why": […]}, in USD an hour. A price that the pages do not tell is null, and "why" says so.
The exit code is 2 where the file cannot be read as pages.
"""


def add(commands: Commands) -> None:
    """Add the command."""
    what = "find the price of a size in pages of the Retail Prices API"
    reader = Reader("read-prices", what, _EXAMPLES, MOST_BYTES, "no region has so many rows: ask for one", _run)
    command = add_reader(commands, reader)
    command.add_argument("--location", required=True, type=_location, metavar="L", help="the region: westeurope")
    command.add_argument("--size", required=True, type=_size, metavar="S", help="the size: Standard_D2s_v5")
    command.add_argument("--os", required=True, type=str.lower, choices=tuple(map(str, Os)), help="Windows costs more")
    command.add_argument("--at", type=_time, metavar="TIME", help="when, in ISO 8601, UTC without an offset; else now")


def _run(content: bytes, arguments: argparse.Namespace) -> Mapping[str, object]:
    try:
        pages = read_pages(parse_json(content, "pages of the Retail Prices API"))
    except UnreadablePagesError as error:
        raise UnreadableFileError(error) from error
    at = arguments.at or datetime.now(UTC)
    prices = prices_of(pages, Asked(arguments.location, arguments.size, Os(arguments.os), at))
    return {"spot": prices.spot, "on_demand": prices.on_demand, "why": prices.why}


def _location(text: str) -> str:
    return _matching(_LOCATION, text, "no name of a region, such as westeurope")


def _size(text: str) -> str:
    return _matching(_SIZE, text, "no name of a size, such as Standard_D2s_v5")


def _matching(pattern: re.Pattern[str], text: str, otherwise: str) -> str:
    if not pattern.fullmatch(text):
        message = f"{shortened(text, 100)!r} is {otherwise}"
        raise argparse.ArgumentTypeError(message)
    return text


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{shortened(text, 100)!r} is no time in ISO 8601, such as 2026-11-15T00:00:00Z"
        raise argparse.ArgumentTypeError(message) from None
