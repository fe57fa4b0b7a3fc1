"""Reads the tag by which the owner of a VM names the sizes that it may come back as. Pure.

Called by ``decisions/fallback/sizes.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TAG: Final = "SpotFallbackSizes"
"""The name of the tag; Azure compares the names of tags without regard to case."""

MOST_SIZES: Final = 5
"""How many sizes a tag may name: each costs requests in an outage."""

LONGEST_VALUE: Final = 256
"""How many characters Azure lets the value of a tag have."""

OFF: Final = f"its tag {TAG} names other sizes, and the app may change none: RESIZE_CLIENT_ID is not set"
"""What is told of a VM whose owner counts on the tag in vain."""

TURN_ON: Final = "to turn changes of size on, give the app its second identity, as docs/rights.md §6 says"

_SIZE: Final = re.compile(r"Standard_[A-Za-z0-9]+([-_][A-Za-z0-9]+)*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FallbackSizes:
    """The sizes in the owner's order; none where there is no tag, or where ``problem`` says what is wrong with it."""

    sizes: tuple[str, ...] = ()
    problem: str = ""


def read_fallback_sizes(tags: Mapping[str, str]) -> FallbackSizes:
    """Read ``SpotFallbackSizes=Standard_D4as_v5,Standard_D4s_v4``. One bad size makes the whole tag count for nothing.

    An owner who mistyped a size is not to be given the one that came after it.
    """
    value = next((value for name, value in tags.items() if name.lower() == TAG.lower()), "")
    if not value.strip():
        return FallbackSizes()
    sizes = tuple(part.strip() for part in value.split(","))
    odd = next((size for size in sizes if not _SIZE.fullmatch(size)), None)
    if odd is not None:
        return _refused(f"{quote(odd)} is no size such as Standard_D4as_v5")
    if len({size.lower() for size in sizes}) < len(sizes):
        return _refused("it names a size twice")
    if len(sizes) > MOST_SIZES:
        return _refused(f"it names {len(sizes)} sizes, and {MOST_SIZES} are the most")
    return FallbackSizes(sizes)


def tag_value(sizes: Sequence[str]) -> str:
    """Write a tag of the first of these sizes: as many as it may name, and as it can hold."""
    named = list(sizes[:MOST_SIZES])
    while len(",".join(named)) > LONGEST_VALUE:
        named.pop()
    return ",".join(named)


def _refused(what: str) -> FallbackSizes:
    return FallbackSizes(problem=f"the tag {TAG} is ignored: {what}")
