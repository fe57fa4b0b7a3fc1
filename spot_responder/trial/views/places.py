"""Finds in a text all that was learned, however it is encoded or cut, and puts something in its place. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spot_responder.text import LEFT_OUT
from spot_responder.trial.views.encodings import alternatives, rough_texts_in, texts_in
from spot_responder.trial.views.telling import OWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RUNS: Final = (
    re.compile(r"(?<![A-Za-z0-9+_-])([A-Za-z0-9+_-]{8,})={0,2}"),
    re.compile(r"(?<![A-Za-z0-9+/_-])([A-Za-z0-9+/_-]{8,})={0,2}"),
)
"""What may be base64: of one alphabet it has slashes, which may also be those of an address."""
SHORTEST: Final = 2
"""A shorter name is not looked for."""
_HALF: Final = "(cut)"
_CUT_FROM: Final = 80
"""Nothing cuts the end off a shorter text: it ends as it was written."""
_EDGE: Final = 40
"""What is longer is looked for by so many letters of it."""
_SHORT: Final = 6
"""So short a name is found as a word only: it may stand in the middle of Azure's own words."""


@dataclass(frozen=True, slots=True)
class Places:
    """All that was learned, ready to be found.

    ``heads``, ``tails``: what a cut may have left of it, up to ``_EDGE`` letters; ``long``: what is longer than that.
    """

    places: Mapping[str, str]
    found: re.Pattern[str]
    heads: frozenset[str]
    tails: frozenset[str]
    long: tuple[str, ...]

    def without(self, text: str) -> str:
        """Hide what must not remain of a text, also where it is base64 or hexadecimal digits."""
        for runs in RUNS:
            text = runs.sub(lambda run: "token" if self._tells(run[1]) else run[0], text)
        return self._without_halves(self.found.sub(self._instead, text))

    def _tells(self, run: str) -> bool:
        """Whether a run of letters has something in it that was learned."""
        texts = texts_in(run)
        if any(match for text in texts for match in self.found.finditer(text) if not match["own"]):
            return True
        return any(
            len(match[0]) > _SHORT
            for text in rough_texts_in(run)
            for match in self.found.finditer(text)
            if not match["own"]
        )

    def _instead(self, match: re.Match[str]) -> str:
        return match[0] if match["own"] else self.places.get(match[0].lower(), "hidden")

    def _without_halves(self, text: str) -> str:
        """Take out what a cut has left of something: its beginning before the cut, its end after it."""
        parts = text.split(LEFT_OUT)
        ends = parts if len(text) >= _CUT_FROM else parts[:-1]
        for number, part in enumerate(ends):
            half = self._beginning_at_end(part.lower())
            parts[number] = f"{part[: len(part) - half]}{_HALF}" if half else part
        for number, part in enumerate(parts[1:], 1):
            half = self._end_at_beginning(part.lower())
            parts[number] = f"{_HALF}{part[half:]}" if half else part
        return LEFT_OUT.join(parts)

    def _beginning_at_end(self, part: str) -> int:
        """Give how much at the end of a part is the beginning of something; but few letters are no part of a name."""
        starts = ((part.rfind(each[:_EDGE]), each) for each in self.long)
        longer = [len(part) - at for at, each in starts if at >= 0 and each.startswith(part[at:])]
        sizes = (size for size in range(min(len(part), _EDGE), SHORTEST, -1) if part[-size:] in self.heads)
        return max([*longer, next(sizes, 0)])

    def _end_at_beginning(self, part: str) -> int:
        ends = ((part.find(each[-_EDGE:]) + _EDGE, each) for each in self.long)
        longer = [to for to, each in ends if to >= _EDGE and each.endswith(part[:to])]
        sizes = (size for size in range(min(len(part), _EDGE), SHORTEST, -1) if part[:size] in self.tails)
        return max([*longer, next(sizes, 0)])


def places_of(places: Mapping[str, str], spelt: Iterable[str], parts_of_ids: Mapping[str, str]) -> Places:
    """Make ready what was learned. ``spelt``: words as they are spelled; ``parts_of_ids``: some have a pattern."""
    words = [word for word in dict.fromkeys([*places, *spelt]) if word not in parts_of_ids]
    short = [word for word in words if len(word) <= _SHORT]
    long = [word for word in words if len(word) > _SHORT]
    parts = [f"(?P<own>{OWN})", *([alternatives(long)] if long else [])]
    parts += parts_of_ids.values()
    parts += [rf"(?<![a-z0-9])(?:{alternatives(short)})(?![a-z0-9])"] if short else []
    sizes = range(SHORTEST + 1, _EDGE + 1)
    return Places(
        dict(places),
        re.compile("|".join(parts), re.IGNORECASE),
        frozenset(word[:size] for word in places for size in sizes[: len(word) - SHORTEST]),
        frozenset(word[-size:] for word in places for size in sizes[: len(word) - SHORTEST]),
        tuple(word for word in places if len(word) > _EDGE),
    )
