"""Texts that come from anybody, made fit to be shown: on one line, with nothing in them that a terminal would obey."""

from __future__ import annotations

from typing import Final

_LEFT_OUT: Final = " … "


def one_line(text: object) -> str:
    """Put a text on one line; what is not printable, as an escape or a mark that turns the direction, becomes ``?``."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(str(text).split()))


def shortened(text: str, at_most: int) -> str:
    """Cut a text of any length, and keep its beginning and its end: either may be what matters.

    A list of reasons has the one that counts last, an id its name, a sentence what it is about first.
    """
    if len(text) <= at_most:
        return text
    end = at_most // 3
    return f"{text[: at_most - end - len(_LEFT_OUT)]}{_LEFT_OUT}{text[len(text) - end :]}"
