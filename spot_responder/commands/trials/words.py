"""Reads the words of the command ``trial``: a subscription, a region, a size, an amount, beliefs."""

from __future__ import annotations

import argparse
import re
from typing import Final

from spot_responder.text import shortened
from spot_responder.trial.views.announcement import BESIDES_USD
from spot_responder.trial.views.checks import BELIEFS

_SUBSCRIPTION: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LOCATION: Final = re.compile(r"[a-z0-9]{3,40}", re.IGNORECASE)
_SIZE: Final = re.compile(r"\w{3,80}", re.ASCII)
_MOST_USD: Final = 100.0
_LEAST_USD: Final = round(BESIDES_USD + 0.1, 2)


def subscription(text: str) -> str:
    """Read a subscription's id."""
    return _matching(_SUBSCRIPTION, text, "no id of a subscription")


def location(text: str) -> str:
    """Read the name of a region."""
    return _matching(_LOCATION, text, "no name of a region, such as westeurope")


def size(text: str) -> str:
    """Read a size of a VM."""
    return _matching(_SIZE, text, "no size of a VM, such as Standard_D2s_v5")


def usd(text: str) -> float:
    """Read what a trial may cost."""
    if re.fullmatch(r"\d{1,3}(\.\d{1,2})?", text, re.ASCII) and _LEAST_USD <= float(text) <= _MOST_USD:
        return float(text)
    message = f"{shortened(text, 100)!r} is no amount from {_LEAST_USD:.2f} to {_MOST_USD:.0f}"
    raise argparse.ArgumentTypeError(message)


def beliefs(text: str) -> frozenset[str]:
    """Read ids of beliefs, with commas between them."""
    wanted = frozenset(each.strip().upper() for each in text.split(",") if each.strip())
    unknown = sorted(wanted - BELIEFS)
    if wanted and not unknown:
        return wanted
    message = f"no belief is called {', '.join(unknown) or shortened(text, 100)!r}: docs/azure-assumptions.md has them"
    raise argparse.ArgumentTypeError(message)


def _matching(pattern: re.Pattern[str], text: str, what: str) -> str:
    if pattern.fullmatch(text):
        return text
    message = f"{shortened(text, 100)!r} is {what}"
    raise argparse.ArgumentTypeError(message)
