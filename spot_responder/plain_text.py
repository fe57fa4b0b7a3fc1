"""Texts that come from anybody, made fit to be shown: on one line, with nothing in them that a terminal would obey."""

from __future__ import annotations


def one_line(text: object) -> str:
    """Put a text on one line; what is not printable, as an escape or a mark that turns the direction, becomes ``?``."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(str(text).split()))
