"""The findings of ``doctor``: what the app needs to work, whether it is there, and the command that mends it. Pure.

Called by ``operators/doctor.py``; ``commands/doctor.py`` writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from spot_responder.advised_command import CommandLine, shell_words
from spot_responder.intake.payloads import field, text_field
from spot_responder.operators.views.dead_letters import DEAD_LETTERS, Place, Unseen
from spot_responder.text import count

CLOCK_TOLERATED: Final = timedelta(minutes=1)
"""How far the clock may be off before it is reported; decisions bear much more."""


class Health(StrEnum):
    """How a thing was found. ``UNSEEN``: it could not be checked, which says nothing about it."""

    GOOD = "good"
    BAD = "bad"
    UNSEEN = "could not look"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. ``mend``: the command to begin with, if one helps.

    ``subscription``: the watched subscription that it belongs to, if any.
    """

    what: str
    health: Health
    told: str
    mend: str = ""
    subscription: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings, and the login with which they were made."""

    at: datetime
    login: str
    findings: tuple[Finding, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing was found wrong. What could not be checked is not wrong."""
        return all(finding.health is not Health.BAD for finding in self.findings)


class Accounts(NamedTuple):
    """The names of the storage accounts: the app's own, and that of dead letters; ``""`` where no setting has it."""

    app: str
    dead_letters: str


def place_finding(place: Place, number: int | None, unseen: Unseen | None, command: CommandLine) -> Finding:
    """Say how many messages lie in a queue, or dead letters in their container, or why they could not be counted."""
    what = f"container {place}" if place is Place.DEAD else f"queue {place}"
    if unseen is not None:
        return Finding(what, Health.BAD if unseen.is_wrong else Health.UNSEEN, unseen.why, unseen.mend)
    told = count(number or 0, place.unit)
    if number and place in DEAD_LETTERS:
        return Finding(what, Health.BAD, told, command("replay", "list"))
    return Finding(what, Health.GOOD, f"reachable, {told}")


def clock_finding(here: datetime, there: datetime | None) -> Finding:
    """Compare this machine's clock with Azure's."""
    if there is None:
        return Finding("clock", Health.UNSEEN, "Azure did not tell its time")
    # The header has whole seconds, and the answer took some time to arrive.
    gap = abs(here - there)
    told = f"{gap.total_seconds():.0f} s from Azure's"
    if gap <= CLOCK_TOLERATED:
        return Finding("clock", Health.GOOD, told)
    return Finding("clock", Health.BAD, told, "set this machine's clock: timedatectl set-ntp true")


def topic_findings(
    wanted: Mapping[str, object], topics: Iterable[Mapping[str, object]]
) -> list[tuple[str, Mapping[str, object] | None]]:
    """Find the system topic of each kind that ``event-filters.json`` names; ``None`` where there is none."""
    there = {text_field(topic, "properties", "topicType").lower(): topic for topic in topics}
    kinds = field(wanted, "topics")
    named = kinds if isinstance(kinds, Mapping) else {}
    return [(str(kind), there.get(text_field(each, "topicType").lower())) for kind, each in named.items()]


def missing_topic(kind: str) -> Finding:
    """Report a missing system topic."""
    return Finding(f"topic {kind}", Health.BAD, "not there: no event of this kind can come", "azd provision")


def account_of(endpoint: str) -> str:
    """Give an address's storage account: the first part of the host, or the path of the laptop's address."""
    parts = urlsplit(endpoint)
    return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]


def subscription_findings(
    kind: str, topic: str, wanted: Mapping[str, object], there: Iterable[Mapping[str, object]], accounts: Accounts
) -> list[Finding]:
    """Compare a topic's event subscriptions with those of ``event-filters.json``, by their filters.

    Event subscriptions of other environments, which deliver to other ``accounts``, may be on the same topic.
    """
    expected = field(wanted, "topics", kind, "subscriptions")
    found = list(there)
    every = expected if isinstance(expected, list) else []
    return [_subscription_finding(kind, topic, each, found, accounts) for each in every if isinstance(each, Mapping)]


def _subscription_finding(
    kind: str, topic: str, wanted: Mapping[str, object], there: Iterable[Mapping[str, object]], accounts: Accounts
) -> Finding:
    name = text_field(wanted, "name")
    what = f"event subscription {name} of topic {kind}"
    named = [each for each in there if _is_named(text_field(each, "name"), name)]
    alike = [each for each in there if _filter_of(each) == _filter(field(wanted, "filter"))]
    if not alike and named:
        return Finding(what, Health.BAD, "its filter is not that of infra/event-filters.json", "azd provision")
    if not alike:
        return Finding(what, Health.BAD, "not there: these events do not come", "azd provision")
    ours = [each for each in alike if _is_ours(each, accounts.app)]
    if not ours:
        told = f"it delivers to {_target(alike[0]) or 'nowhere'}, not to the queue signals of {accounts.app}"
        return Finding(what, Health.BAD, told, "azd provision")
    state = text_field(ours[0], "properties", "provisioningState")
    if state.lower() != "succeeded":
        name = shell_words(topic)
        mend = (
            f"az eventgrid system-topic event-subscription list --subscription SUB -g GROUP --system-topic-name {name}"
        )
        return Finding(what, Health.BAD, f"it is {state or 'in no state that is told'}", mend)
    kept = _account_of_dead_letters(ours[0])
    if accounts.dead_letters and kept.lower() != accounts.dead_letters.lower():
        told = f"what it cannot deliver goes to {kept or 'nobody'}, not to {accounts.dead_letters}"
        return Finding(what, Health.BAD, told, "azd provision")
    return Finding(what, Health.GOOD, f"there, delivers to {_target(ours[0])}")


def _account_of_dead_letters(subscription: Mapping[str, object]) -> str:
    dead_letters = field(subscription, "properties", "deadLetterWithResourceIdentity", "deadLetterDestination")
    return text_field(dead_letters, "properties", "resourceId").rpartition("/")[2]


def _is_ours(subscription: Mapping[str, object], account: str) -> bool:
    target = _target(subscription)
    return target.startswith("AzureFunction") or target.lower() == f"storagequeue signals of {account.lower()}"


def _is_named(there: str, wanted: str) -> bool:
    """Whether it is the wanted one: a deployment puts its environment's name before it."""
    return there.lower() == wanted.lower() or there.lower().endswith(f"-{wanted.lower()}")


def _filter_of(subscription: Mapping[str, object]) -> object:
    return _filter(field(subscription, "properties", "filter"))


def _filter(value: object) -> tuple[frozenset[str], frozenset[tuple[str, str, frozenset[str]]]]:
    """Reduce a filter to what it lets through; Azure adds fields that are empty, and changes the order."""
    types = field(value, "includedEventTypes")
    advanced = field(value, "advancedFilters")
    return (
        _lower(types),
        frozenset(
            (
                text_field(each, "operatorType").lower(),
                text_field(each, "key").lower(),
                _lower(field(each, "values")),
            )
            for each in (advanced if isinstance(advanced, list) else [])
        ),
    )


def _lower(values: object) -> frozenset[str]:
    return frozenset(str(value).lower() for value in values) if isinstance(values, list) else frozenset()


def _target(subscription: Mapping[str, object]) -> str:
    """Name where an event subscription delivers, ``StorageQueue signals of account``; by its identity or without."""
    properties = field(subscription, "properties")
    for place in (("deliveryWithResourceIdentity", "destination"), ("destination",)):
        destination = field(properties, *place)
        if destination:
            kind, queue = text_field(destination, "endpointType"), text_field(destination, "properties", "queueName")
            account = text_field(destination, "properties", "resourceId").rpartition("/")[2]
            return f"{kind} {queue} of {account}" if queue else kind
    return ""


def role_finding(needed: Iterable[str], definitions: Iterable[Mapping[str, object]], name: str) -> tuple[Finding, str]:
    """Say whether the custom role is there and allows what is needed; give its id, ``""`` where there is none."""
    what = _ROLE
    for definition in definitions:
        if not text_field(definition, "properties", "roleName").startswith(name):
            continue
        allowed = _allowed(definition)
        lacking = [action for action in needed if not any(fnmatchcase(action.lower(), pattern) for pattern in allowed)]
        if lacking:
            told = f"it lacks {', '.join(lacking)}"
            return Finding(what, Health.BAD, told, "azd provision"), text_field(definition, "id")
        told = text_field(definition, "properties", "roleName")
        return Finding(what, Health.GOOD, f"{told}: allows what the app needs"), text_field(definition, "id")
    return Finding(
        what, Health.BAD, f"no role {name!r} is defined here: the app may not start VMs", "azd provision"
    ), ""


def _allowed(definition: Mapping[str, object]) -> frozenset[str]:
    """Give the actions of a role in lower case; a star stands for any action, also for a needed one with a star."""
    permissions = field(definition, "properties", "permissions")
    every = permissions if isinstance(permissions, list) else []
    return frozenset(action for each in every for action in _lower(field(each, "actions")))


def watched_findings(found: Mapping[str, list[Finding]]) -> list[Finding]:
    """Combine the findings of each subscription. One without any resource of the app may not be meant to be watched.

    If no subscription has any, all of them are shown: one of them was meant to be.
    """
    watched = {each for each, findings in found.items() if any(_shows_us(finding) for finding in findings)}
    every: list[Finding] = []
    for subscription, findings in found.items():
        shown = findings if subscription in watched or not watched else [_UNWATCHED]
        every += [replace(finding, subscription=subscription) for finding in shown]
    return every


_ROLE: Final = "the app's role"
_UNWATCHED: Final = Finding(
    "the app",
    Health.UNSEEN,
    "neither its role nor its topics are here: not watched, or nothing is left of it",
    "if its VMs are to come back: WATCHED_SUBSCRIPTIONS, then azd provision (docs/deploying.md §2)",
)


def _shows_us(finding: Finding) -> bool:
    return finding.health is Health.GOOD and (finding.what == _ROLE or finding.what.startswith("event subscription "))


def principals_of(role_id: str, assignments: Iterable[Mapping[str, object]]) -> frozenset[str]:
    """Give the object ids of the principals that have a role."""
    return frozenset(
        text_field(each, "properties", "principalId").lower()
        for each in assignments
        if text_field(each, "properties", "roleDefinitionId").lower().endswith(role_id.lower().rpartition("/")[2])
    )
