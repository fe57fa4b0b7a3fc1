"""Reads what is written in another way: percent signs, escapes of JSON, base64, hexadecimal digits. Pure."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Sequence

_ESCAPE: Final = re.compile(r"%[0-9a-f]{2}|\\u[0-9a-f]{4}|\\/", re.IGNORECASE)
_OF_JSON: Final = re.compile(r"\\u([0-9a-f]{4})", re.IGNORECASE)
_LAYERS: Final = 4
"""An address in an address in an address: more has not been seen."""
_HEXADECIMAL: Final = re.compile(r"(?:[0-9a-f]{2})+", re.IGNORECASE)
_OF_FOUR: Final = 4
"""Four letters of base64 are three bytes: what was put before them shifts all by one letter to three."""
_DEPTH: Final = 4


def unescaped(text: str) -> str:
    r"""Read ``%40`` and ``\u0040`` as what they stand for, also where one was written in the other."""
    for _ in range(_LAYERS):
        if not _ESCAPE.search(text):
            break
        text = _OF_JSON.sub(lambda found: chr(int(found[1], 16)), unquote(text)).replace("\\/", "/")
    return text


def texts_in(run: str) -> list[str]:
    """Give the texts that a run of letters is, in base64 or hexadecimal digits; none where it is none."""
    return [text for raw in _bytes_in(run) if (text := _as_text(raw))]


def rough_texts_in(run: str) -> list[str]:
    """Give the same where not all of it is a text: what is between may be anything."""
    return [raw.replace(b"\0", b"").decode("latin-1") for raw in _bytes_in(run)]


def alternatives(words: Sequence[str], depth: int = _DEPTH) -> str:
    """Write a pattern that finds these words, the longest first, in a time that hardly grows with their number."""
    if not depth or len(words) == 1:
        return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    rests: dict[str, list[str]] = {}
    for word in words:
        rests.setdefault(word[:1], []).append(word[1:])
    branches = [f"{re.escape(first)}(?:{alternatives(rest, depth - 1)})" for first, rest in rests.items() if first]
    return "|".join([*branches, *([""] if "" in rests else [])])


def _bytes_in(run: str) -> list[bytes]:
    letters = run.replace("+", "-").replace("/", "_")
    found = [_from_base64(letters[first:]) for first in range(_OF_FOUR)]
    return [*found, bytes.fromhex(run)] if _HEXADECIMAL.fullmatch(run) else found


def _from_base64(letters: str) -> bytes:
    # One letter over four says nothing: it is of what comes after the text.
    whole = letters[:-1] if len(letters) % _OF_FOUR == 1 else letters
    return base64.urlsafe_b64decode(whole + "=" * (-len(whole) % _OF_FOUR))


def _as_text(raw: bytes) -> str:
    """Give a text, also one with two bytes for each letter; ``""`` where it is none."""
    try:
        text = raw.replace(b"\0", b"").decode()
    except ValueError:
        return ""
    return text if all(char.isprintable() or char.isspace() for char in text) else ""
