"""What needs somebody, of all that is going on: one line for each kind of problem, and where to begin. Pure.

Called by ``status.py``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.agents_word import SILENT
from spot_responder.decisions.app_health.app_failures import Activity
from spot_responder.decisions.publishing.notices import HOW_LONG
from spot_responder.offerings.max_prices import Standing
from spot_responder.operators.views.dead_letters import DEAD_LETTERS
from spot_responder.operators.views.vm_names import names, reference
from spot_responder.text import count, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from spot_responder.advised_command import CommandLine
    from spot_responder.decisions.app_health.app_failures import Failing
    from spot_responder.decisions.app_health.event_path import EventPath
    from spot_responder.decisions.recoveries import Notice
    from spot_responder.intake.vms import VmId
    from spot_responder.offerings.price_alerts import PriceAlert
    from spot_responder.operators.views.dead_letters import QueueCounts
    from spot_responder.operators.views.open_recovery import OpenRecovery

TOO_LONG: Final = timedelta(days=1)
"""How long a recovery may be open before it needs an operator's look: the alarm ``unrecovered`` has the same time."""

_NAMED: Final = 5
"""How many VMs of one problem are named; the others are counted."""

_IS_IT_THERE: Final = "az functionapp show --subscription SUB -g GROUP -n APP --query state"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that somebody should mend: what it is, and the command or the place to begin with."""

    what: str
    mend: str


def problems(  # noqa: PLR0913, PLR0917 - all that may be wrong
    recoveries: Sequence[OpenRecovery],
    failing: Sequence[Failing],
    queues: QueueCounts,
    path: EventPath,
    now: datetime,
    command: CommandLine,
    silent_agents: Sequence[VmId] = (),
    price_alerts: Sequence[PriceAlert] = (),
) -> tuple[Problem, ...]:
    """Find what does not go on by itself, or is wrong. ``command`` writes the commands that are advised.

    ``silent_agents``: restored VMs whose agents used to report, and do not. ``price_alerts``: VMs whose max price has
    fallen behind; one that is only near needs nobody yet.
    """
    called = names(recovery.vm_id for recovery in recoveries)
    found = [
        *_failing(failing, now, command),
        *_dead_letters(queues, command),
        *_overdue(recoveries, called, command),
        *_needs(recoveries, called, command),
        *_too_long(recoveries, called, now, command),
        *_silent_agents(silent_agents, command),
        *_max_prices([each.vm_id for each in price_alerts if each.standing is Standing.BELOW], command),
    ]
    for silent in path.silent:
        what = f"no event told of the newest eviction of subscription {silent.subscription_id}: the sweep found it"
        since = f"{count(silent.vms, 'VM')} since the last event"
        found.append(Problem(f"{what} ({since})", command("doctor")))
    return tuple(found)


_ACTIVITIES: Final[Mapping[Activity, str]] = {
    Activity.SWEEP: "no sweep has come to its end",
    Activity.LOOK: "the app is not let look at VMs",
    Activity.PUBLISH: "the outcomes topic does not take what is to be told",
    Activity.PRICES: "max prices cannot be compared with today's Spot prices",
}


def _failing(failing: Sequence[Failing], now: datetime, command: CommandLine) -> Iterator[Problem]:
    for each in failing:
        if each.lasts(now):
            what = f"for {span(now - each.since)} {_ACTIVITIES[each.activity]}: {each.reason}"
            yield Problem(what, command("doctor"))


def _dead_letters(queues: QueueCounts, command: CommandLine) -> Iterator[Problem]:
    for place in DEAD_LETTERS:
        if number := queues.by_place.get(place):
            what = f"{count(number, place.unit)} in {place}: {place.what_lies_there}"
            yield Problem(what, command("replay", "list"))
    for unseen in queues.unseen:
        if unseen.is_wrong:
            yield Problem(f"{unseen.place} could not be looked into: {unseen.why}", unseen.mend)


def _overdue(recoveries: Sequence[OpenRecovery], called: Mapping[VmId, str], command: CommandLine) -> Iterator[Problem]:
    overdue = [recovery for recovery in recoveries if recovery.is_overdue]
    if overdue:
        who = _names(overdue, called)
        why = "the app does not run, may not look, or lost a message, which the next sweep takes up"
        what = f"nothing came of the look that was due at {who}: {why}"
        yield Problem(what, f"{_IS_IT_THERE}; {command('doctor')}")


def _needs(recoveries: Sequence[OpenRecovery], called: Mapping[VmId, str], command: CommandLine) -> Iterator[Problem]:
    """Give one problem for all VMs of a subscription that need the same."""
    alike: defaultdict[tuple[Notice, str, str], list[OpenRecovery]] = defaultdict(list)
    for recovery in recoveries:
        if recovery.needs is not None:
            alike[recovery.needs, recovery.vm_id.subscription_id.lower(), recovery.reason].append(recovery)
    for (need, *_), same in alike.items():
        first = reference(same[0].vm_id, called)
        needs = HOW_LONG.get(need)
        what = f"{_names(same, called)}: {same[0].reason}{f', {needs}' if needs else ''}"
        yield Problem(what, command("explain", first))


def _too_long(
    recoveries: Sequence[OpenRecovery], called: Mapping[VmId, str], now: datetime, command: CommandLine
) -> Iterator[Problem]:
    long_open = [
        recovery
        for recovery in recoveries
        if now - recovery.down_since > TOO_LONG and recovery.needs is None and recovery.held_at is None
    ]
    if long_open:
        first = reference(long_open[0].vm_id, called)
        what = f"down for longer than a day: {_names(long_open, called)}"
        yield Problem(what, command("explain", first))


def _silent_agents(vm_ids: Sequence[VmId], command: CommandLine) -> Iterator[Problem]:
    if vm_ids:
        called = names(vm_ids)
        yield Problem(f"{_some(vm_ids, called)}: {SILENT}", command("explain", reference(vm_ids[0], called)))


def _max_prices(vm_ids: Sequence[VmId], command: CommandLine) -> Iterator[Problem]:
    if vm_ids:
        what = "the max price is below today's Spot price, so that a start would be refused"
        yield Problem(f"{_some(vm_ids, names(vm_ids))}: {what}", command("prices"))


def _names(some: Sequence[OpenRecovery], called: Mapping[VmId, str]) -> str:
    return _some([recovery.vm_id for recovery in some], called)


def _some(vm_ids: Sequence[VmId], called: Mapping[VmId, str]) -> str:
    named = ", ".join(called[vm_id] for vm_id in vm_ids[:_NAMED])
    more = len(vm_ids) - _NAMED
    return f"{named} and {more} more" if more > 0 else named
