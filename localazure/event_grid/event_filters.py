"""Reads ``infra/event-filters.json``, and says whether an event passes its filters.

Bicep deploys the same file. A filter that Azure would refuse, or that this module does not understand, is an error
here: what passes on a laptop must pass in Azure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from localazure.event_grid.filter_operators import OPERATORS, Operator, Takes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Limits of one event subscription: docs/azure-facts.md delivery-4.
MOST_FILTERS: Final = 25
MOST_VALUES: Final = 25
LONGEST_VALUE: Final = 512

_FILTER_PROPERTIES: Final = frozenset(
    {"includedEventTypes", "subjectBeginsWith", "subjectEndsWith", "isSubjectCaseSensitive", "advancedFilters"}
)


class EventFilterError(ValueError):
    """The filters cannot be used; the message names the file, the subscription, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class AdvancedFilter:
    """One condition on one value of an event. ``key`` is a path such as ``data.operationName``."""

    operator: Operator
    key: str
    operands: tuple[object, ...]

    def passes(self, event: Mapping[str, object]) -> bool:
        """Say whether the event meets the condition: any one of the values is enough."""
        return self.operator.matches(_value_at(event, self.key), self.operands)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What one event subscription lets through; ``event_types`` empty means every type."""

    event_types: frozenset[str]
    subject_begins_with: str
    subject_ends_with: str
    subject_case_sensitive: bool
    advanced: tuple[AdvancedFilter, ...]

    def passes(self, event: Mapping[str, object]) -> bool:
        """Say whether an event, in either of Event Grid's schemas, meets every condition."""
        kind = str(event.get("eventType", event.get("type", ""))).lower()
        if self.event_types and kind not in self.event_types:
            return False
        return self._passes_subject(str(event.get("subject", ""))) and all(one.passes(event) for one in self.advanced)

    def _passes_subject(self, subject: str) -> bool:
        if self.subject_case_sensitive:
            return subject.startswith(self.subject_begins_with) and subject.endswith(self.subject_ends_with)
        return subject.lower().startswith(self.subject_begins_with.lower()) and subject.lower().endswith(
            self.subject_ends_with.lower()
        )


@dataclass(frozen=True, slots=True)
class Subscription:
    """An event subscription of a system topic."""

    name: str
    filter: EventFilter


@dataclass(frozen=True, slots=True)
class SystemTopic:
    """A system topic and its subscriptions. ``topic_type`` is Azure's name of the source of its events."""

    topic_type: str
    subscriptions: tuple[Subscription, ...]


def read_topics(path: Path) -> tuple[SystemTopic, ...]:
    """Read the topics of an ``event-filters.json``.

    Raises:
        EventFilterError: the file is no JSON, or not of the shape it should have, or Event Grid would refuse it.
    """
    try:
        topics = json.loads(path.read_text(encoding="utf-8"))["topics"]
        return tuple(_topic(topic, f"{path}: topic {name!r}") for name, topic in topics.items())
    except json.JSONDecodeError as error:
        message = f"{path} is not JSON: {error}"
        raise EventFilterError(message) from error
    except (KeyError, TypeError, AttributeError) as error:
        message = f'{path}: expected {{"topics": {{name: {{"topicType", "subscriptions"}}}}}}; {error!r}'
        raise EventFilterError(message) from error


def read_filter(definition: Mapping[str, object], where: str) -> EventFilter:
    """Read the ``filter`` of an event subscription, as ARM and Bicep write it. ``where`` begins every error.

    Raises:
        EventFilterError: naming the property, operator or limit.
    """
    unknown = definition.keys() - _FILTER_PROPERTIES
    _require(not unknown, where, f"unknown filter properties {sorted(unknown)}; known: {sorted(_FILTER_PROPERTIES)}")
    advanced = _list(definition, "advancedFilters", where)
    _require(len(advanced) <= MOST_FILTERS, where, f"{len(advanced)} advanced filters; Event Grid takes {MOST_FILTERS}")
    filters = tuple(_advanced(one, f"{where}, advancedFilters[{index}]") for index, one in enumerate(advanced))
    values = sum(len(one.operands) for one in filters if one.operator.takes is not Takes.NOTHING)
    _require(values <= MOST_VALUES, where, f"{values} filter values; Event Grid takes {MOST_VALUES} a subscription")
    types = {str(name).lower() for name in _list(definition, "includedEventTypes", where)}
    return EventFilter(
        event_types=frozenset() if "all" in types else frozenset(types),
        subject_begins_with=_subject(definition, "subjectBeginsWith", where),
        subject_ends_with=_subject(definition, "subjectEndsWith", where),
        subject_case_sensitive=definition.get("isSubjectCaseSensitive", False) is True,
        advanced=filters,
    )


def _topic(definition: Mapping[str, object], where: str) -> SystemTopic:
    subscriptions = _list(definition, "subscriptions", where)
    return SystemTopic(str(definition["topicType"]), tuple(_subscription(one, where) for one in subscriptions))


def _subscription(definition: object, where: str) -> Subscription:
    match definition:
        case {"name": str(name), "filter": dict(written)}:
            return Subscription(name, read_filter(written, f"{where}, subscription {name!r}"))
    message = f'{where}: a subscription must be {{"name", "filter"}}, not {str(definition)[:100]}'
    raise EventFilterError(message)


def _advanced(definition: object, where: str) -> AdvancedFilter:
    match definition:
        case {"operatorType": str(name), "key": str(key), **given} if key:
            _require(name in OPERATORS, where, f"unknown operator {name!r}; Event Grid has {', '.join(OPERATORS)}")
            return AdvancedFilter(OPERATORS[name], key, _operands(given, OPERATORS[name], f"{where} ({name})"))
    message = f'{where}: an advanced filter must name "operatorType" and "key", not {str(definition)[:100]}'
    raise EventFilterError(message)


def _operands(given: Mapping[Any, object], operator: Operator, where: str) -> tuple[object, ...]:
    """Read what a filter compares with: ``given`` is all of it but operator and key."""
    if operator.takes is Takes.NOTHING:
        _require(not given, where, f"takes no value, but {sorted(given)} is given")
        return (None,)
    _require(given.keys() == {operator.takes.value}, where, f"needs {operator.takes.value!r}, and has {sorted(given)}")
    operands = _list(given, "values", where) if operator.takes is Takes.MANY else [given["value"]]
    for operand in operands:
        _require(operator.suits_filter(operand), where, f"compares with {operator.operand}, not with {operand!r}")
        longest = len(operand) if isinstance(operand, str) else 0
        _require(longest <= LONGEST_VALUE, where, f"a value of {longest} characters; Event Grid takes {LONGEST_VALUE}")
    _require(bool(operands), where, "has no values, so nothing would ever match")
    return tuple(operands)


def _value_at(event: Mapping[str, object], key: str) -> object:
    """Follow a key such as ``data.a.b``. Envelope names go without regard to case: Microsoft writes ``Subject``."""
    first, _, rest = key.partition(".")
    value: object = next((found for name, found in event.items() if name.lower() == first.lower()), None)
    for name in rest.split(".") if rest else ():
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _list(definition: Mapping[str, object], key: str, where: str) -> list[object]:
    value = definition.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        message = f"{where}: {key} must be a list, not {type(value).__name__}"
        raise EventFilterError(message)
    return value


def _subject(definition: Mapping[str, object], key: str, where: str) -> str:
    value = definition.get(key, "")
    if not isinstance(value, str):
        message = f"{where}: {key} must be a text, not {type(value).__name__}"
        raise EventFilterError(message)
    return value


def _require(condition: bool, where: str, complaint: str) -> None:  # noqa: FBT001 - reads as the sentence it is
    if not condition:
        message = f"{where}: {complaint}"
        raise EventFilterError(message)
