"""The operators of Event Grid's advanced filters: what each takes, and when it matches.

Source: Microsoft's "Understand event filtering for Event Grid subscriptions" (docs/azure-facts.md delivery-5). Called
by ``event_filters.py``.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Takes(Enum):
    """How many values a filter gives, and so which property it gives them in."""

    NOTHING = "no value"
    ONE = "value"
    MANY = "values"


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: ``test`` is asked about the event's value and one value of the filter, both of a right kind."""

    takes: Takes
    test: Callable[[Any, Any], bool]
    suits_event: Callable[[object], bool]
    suits_filter: Callable[[object], bool]
    operand: str
    negated: bool = False
    when_missing: bool = False

    def matches(self, value: object, operands: tuple[object, ...]) -> bool:
        """Judge a value found in an event. ``None`` stands for a key that is missing, or null.

        A value of another kind than the operator's is ignored in Azure, so it counts as missing.
        """
        if not self.suits_event(value):
            return self.when_missing
        return any(self.test(value, operand) for operand in operands) != self.negated


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_range(value: object) -> bool:
    match value:
        case [low, high]:
            return _is_number(low) and _is_number(high)
    return False


def _is_anything(_value: object) -> bool:
    return True


def _text(test: Callable[[str, str], bool], *, negated: bool = False, when_missing: bool = False) -> Operator:
    """Compare texts without regard to case, as Event Grid always does."""
    return Operator(
        Takes.MANY,
        lambda found, wanted: test(found.lower(), wanted.lower()),
        _is_text,
        _is_text,
        "texts",
        negated,
        when_missing,
    )


def _compared(test: Callable[[Any, Any], bool]) -> Operator:
    return Operator(Takes.ONE, test, _is_number, _is_number, "a number")


def _numbers(*, negated: bool) -> Operator:
    return Operator(Takes.MANY, operator.eq, _is_number, _is_number, "numbers", negated, when_missing=negated)


def _ranges(*, negated: bool) -> Operator:
    return Operator(Takes.MANY, _within, _is_number, _is_range, "ranges [low, high]", negated)


def _within(found: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= found <= limits[1]


def _presence(*, wanted: bool) -> Operator:
    return Operator(Takes.NOTHING, _is_there, _is_anything, _is_anything, "nothing", negated=not wanted)


def _is_there(found: object, _operand: object) -> bool:
    return found is not None


OPERATORS: Final[Mapping[str, Operator]] = {
    "StringContains": _text(operator.contains),
    "StringBeginsWith": _text(str.startswith),
    "StringEndsWith": _text(str.endswith),
    "StringIn": _text(operator.eq),
    "StringNotContains": _text(operator.contains, negated=True),
    "StringNotBeginsWith": _text(str.startswith, negated=True),
    "StringNotEndsWith": _text(str.endswith, negated=True),
    "StringNotIn": _text(operator.eq, negated=True, when_missing=True),
    "NumberIn": _numbers(negated=False),
    "NumberNotIn": _numbers(negated=True),
    "NumberLessThan": _compared(operator.lt),
    "NumberLessThanOrEquals": _compared(operator.le),
    "NumberGreaterThan": _compared(operator.gt),
    "NumberGreaterThanOrEquals": _compared(operator.ge),
    "NumberInRange": _ranges(negated=False),
    "NumberNotInRange": _ranges(negated=True),
    "BoolEquals": Operator(Takes.ONE, operator.eq, _is_flag, _is_flag, "true or false"),
    "IsNullOrUndefined": _presence(wanted=False),
    "IsNotNull": _presence(wanted=True),
}
