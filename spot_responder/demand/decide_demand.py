"""Decide which VMs a work queue asks for, out of one look at it. Pure: facts and time are arguments.

A VM is started for messages that nobody holds (``visible``); how many VMs there should be is counted by all messages,
also those being worked on. So a long job keeps its VM counted, and a message in work starts no VM. Called by
``responder/work/looks.py``; what a look decides about each single VM, ``decisions/decide.py`` decides once more with
what Azure says of it at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.pools import pool_of
from spot_responder.decisions.situations import Work
from spot_responder.demand.looks import Demand, Trouble, VmWatch, Watch, believed
from spot_responder.demand.own_stops import CLOCKS_DIFFER, GRAPH_IS_BEHIND
from spot_responder.demand.standings import ASKED_HOLDS, Standing, is_busy, last_word, standing_of, watched
from spot_responder.demand.up_times import up_times
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import PowerState
from spot_responder.text import count

if TYPE_CHECKING:
    from spot_responder.demand.looks import Look, QueueVm
    from spot_responder.demand.work_queues import WorkQueue
    from spot_responder.intake.vms import VmId

LOOK_EVERY: Final = timedelta(minutes=1)
"""How often a work queue is read while it has messages or a VM of it is up; otherwise each sweep reads it."""

STARTS_A_LOOK: Final = 25
"""How many starts one look asks for at most: a count that is wildly wrong must not start everything at once."""

HANDED_OVER_AFTER: Final = timedelta(seconds=45)
"""How long a VM that is down keeps its place in ``maxVms`` after its queue has ceased to ask for it: by what the look
before decided, its start may be requested still (within ``LOOK_HOLDS`` and a client's ten seconds)."""

WATCH_HOLDS: Final = timedelta(minutes=5)
"""How long what a look decided counts for a VM, while a follow-up is due that should have looked again."""

STOPPED_LASTS: Final = timedelta(minutes=5)
"""How long a VM may be stopped and not deallocated before somebody is told: Azure shows that for a moment on the way
down and up (docs/azure-facts.md arm-12)."""

WAITS_TOO_LONG: Final = timedelta(minutes=30)
"""How long there may be messages, and nobody who works on any, before somebody is told. A start that waits for
capacity counts: whoever waits for the work wants to know."""

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Stood:
    """A VM of the look, with its standing; ``watch``: with what this look sees of it."""

    seen: QueueVm
    watch: VmWatch
    standing: Standing

    @property
    def key(self) -> str:
        return self.seen.vm.vm_id.key

    @property
    def is_down(self) -> bool:
        return self.seen.vm.power_state is PowerState.DEALLOCATED

    @property
    def runs_without_a_word(self) -> bool:
        return self.standing is Standing.COMING and self.seen.vm.power_state is PowerState.RUNNING


def decide_demand(look: Look, watch: Watch, queue: WorkQueue, now: datetime) -> Demand:
    """Decide which VMs are to be started now, and what is kept for the next look."""
    stood = [_stood(seen, watch, now) for seen in look.vms]
    working = [one for one in stood if one.standing.will_work]
    wanted = min(queue.max_vms, ceil(look.backlog.total / queue.messages_per_vm))
    # Below 0 where others have started some.
    left_out = _left_out(stood, watch, now)
    room = queue.max_vms - sum(one.standing.is_up for one in stood) - len(left_out)
    short = max(min(wanted - len(working) - len(left_out), room), 0) if look.backlog.visible else 0
    # Others come first that may be started now. Those that were asked for before stay so, as far as there is room.
    waiting = sorted(
        (one for one in stood if one.standing is Standing.WAITS),
        key=lambda one: (one.key not in watch.asked_for, *_order(one)),
    )
    startable = _startable(stood, short, room)[:STARTS_A_LOOK]
    kept = waiting[: max(min(short, room - len(startable)), 0)]
    let_go = _let_go([one for one in stood if one not in (*kept, *startable)], watch, now)
    starting = _startable(stood, short, room - len(let_go))[:STARTS_A_LOOK]
    # A VM that serves and is evicted is asked for anew, unless there are more than the work needs, or than may be up.
    # One whose workers have not spoken yet may never do so: the next look decides whether it is tried again.
    proven = [one for one in working if not one.runs_without_a_word]
    going_on = proven if look.backlog.total and len(working) <= wanted and room >= 0 else []
    troubles = {one.key: _trouble(one, look, queue, now) for one in stood}
    # One that is going down is asked for where it will be missed: it is started as soon as that is told.
    leaving = sorted((one for one in stood if one.standing is Standing.LEAVING), key=_order)
    missing = min(wanted - len(working), room + len(leaving)) - len(starting) if look.backlog.visible else 0
    missed = leaving[: max(missing, 0)]
    asked_for = frozenset(one.key for one in (*starting, *kept, *going_on, *missed))
    noted = {
        one.key: _noted(one, troubles[one.key], let_go.get(one.key), is_asked=one in starting, now=now) for one in stood
    }
    is_served = not look.backlog.visible or any(map(_is_busy, stood))
    unserved_since = None if is_served else watch.unserved_since or now
    new_watch = replace(
        watch,
        looked_at=now,
        asked_for=asked_for,
        vms={key: vm_watch for key, vm_watch in (left_out | noted).items() if vm_watch != VmWatch()},
        backlog=look.backlog,
        up_times=up_times(watch, noted, now),
        waiting_since=(watch.waiting_since or now) if look.backlog.visible else None,
        unserved_since=unserved_since,
        reason=_reason(look, stood, wanted, len(starting), queue),
    )
    # Until each is seen deallocated, so that its next run is not taken for this one.
    goes_on = bool(look.backlog.total and stood) or any(map(_is_not_down, stood))
    told = tuple(
        (one.seen.vm.vm_id, trouble) for one in stood if (trouble := troubles[one.key]) and trouble != one.watch.told
    )
    waits_since = unserved_since if unserved_since and now - unserved_since >= WAITS_TOO_LONG else None
    return Demand(tuple(one.seen.vm.vm_id for one in starting), new_watch, goes_on, told, waits_since)


def work_of(vm_id: VmId, watch: Watch, now: datetime, unseen_stop: datetime | None = None) -> Work:
    """Say whether the work queue asks for a VM, by what the latest look at the queue decided.

    ``unseen_stop``: when it began to stop itself, if that look had not seen that. It found nothing to do, so the next
    look decides, a minute later at most.
    """
    at = f" at {watch.looked_at:%H:%M:%S}Z" if watch.looked_at else ""
    is_old = watch.looked_at is None or now - watch.looked_at > WATCH_HOLDS
    if is_old and watch.due_at is not None:
        return Work(
            asks_for_it=None,
            reason=f"{watch.name} could not be read lately, last{at or ' never'}: nothing is decided meanwhile",
        )
    if vm_id.key not in watch.asked_for:
        return Work(
            asks_for_it=False, reason=f"{watch.name} did not ask for it{at}: {watch.reason or 'it was not read yet'}"
        )
    if unseen_stop is not None:
        why = f"it stopped itself at {unseen_stop:%H:%M:%S}Z, which {watch.name} had not seen when it asked for it{at}"
        return Work(asks_for_it=False, reason=why)
    return Work(asks_for_it=True, reason=f"{watch.name} asked for it{at}: {watch.reason}")


def _stood(seen: QueueVm, watch: Watch, now: datetime) -> _Stood:
    seen = replace(seen, words=believed(seen.words, now))
    vm_watch = watched(seen, watch.vms.get(seen.vm.vm_id.key, VmWatch()), now)
    return _Stood(seen, vm_watch, standing_of(seen, vm_watch, now))


def _left_out(stood: list[_Stood], watch: Watch, now: datetime) -> dict[str, VmWatch]:
    """Give what is kept of VMs that Resource Graph leaves out since a moment ago, and that were up or asked for."""
    latest = watch.looked_at or now
    known = {**dict.fromkeys(watch.asked_for, VmWatch()), **watch.vms}
    unseen = {key: known[key] for key in sorted(known.keys() - {one.key for one in stood})}
    lately = {
        key: replace(vm, left_out_since=vm.left_out_since or now)
        for key, vm in unseen.items()
        if vm.left_out_since or key in watch.asked_for or _was_up_or_asked_for(vm, latest)
    }
    return {key: vm for key, vm in lately.items() if now - (vm.left_out_since or now) < ASKED_HOLDS}


def _was_up_or_asked_for(vm: VmWatch, at: datetime) -> bool:
    return any(time is not None and at - time < ASKED_HOLDS for time in (vm.asked_at, vm.seen_up_at))


def _let_go(others: list[_Stood], watch: Watch, now: datetime) -> dict[str, datetime]:
    """Give when the queue ceased to ask for VMs whose start may be on its way still, as long as that matters."""
    ends = ((one, now if one.key in watch.asked_for else one.watch.let_go_at) for one in others)
    return {
        one.key: at
        for one, at in ends
        if one.standing.may_be_asked_for_still and at is not None and now - at < HANDED_OVER_AFTER
    }


def _is_busy(one: _Stood) -> bool:
    return one.standing is Standing.SERVES and is_busy(one.seen)


def _is_not_down(one: _Stood) -> bool:
    return one.standing.is_up or not one.is_down


def _candidates(stood: list[_Stood]) -> list[_Stood]:
    """Give the VMs that may be started, the best first: none whose pool has just refused another one's start."""
    refused = {pool_of(one.seen.vm) for one in stood if one.standing is Standing.WAITS and _lacks_capacity(one)}
    ready = (one for one in stood if one.standing is Standing.READY and pool_of(one.seen.vm) not in refused)
    return sorted(ready, key=_order)


def _startable(stood: list[_Stood], short: int, room: int) -> list[_Stood]:
    """Give so many VMs to start as there are too few. Those that are going down keep their places until they are."""
    going_down = [one for one in stood if not one.standing.is_up and not one.is_down]
    ready = _candidates(stood)
    again = [one for one in ready if not one.is_down][: max(min(short, room), 0)]
    fresh = [one for one in ready if one.is_down][: max(min(short - len(again), room - len(going_down)), 0)]
    return [*again, *fresh]


def _lacks_capacity(one: _Stood) -> bool:
    recovery = one.seen.recovery
    return recovery is not None and (
        recovery.failures.kind is FailureKind.CAPACITY or recovery.seen_queued_at is not None
    )


def _order(one: _Stood) -> tuple[bool, int, float, bool, float, str]:
    """Order: what is not down yet, and up for a while anyway; what comes up and boots; Spot first; the last used first.

    The disk's cache of that one is the newest. Of those that failed as often, each has its turn.
    """
    recovery, watch = one.seen.recovery, one.watch
    used_at = last_word(one.seen.words) or (recovery.closed_at if recovery else None) or _LONG_AGO
    failures = watch.boot_failures + watch.asks_in_vain
    tried_at = watch.asked_at if failures and watch.asked_at else _LONG_AGO
    return one.is_down, failures, tried_at.timestamp(), not one.seen.vm.is_spot, -used_at.timestamp(), one.key


def _trouble(one: _Stood, look: Look, queue: WorkQueue, now: datetime) -> Trouble | None:
    watch = one.watch
    if one.standing is Standing.SILENT:
        return Trouble.SILENT
    if watch.stopped_since is not None and now - watch.stopped_since >= STOPPED_LASTS:
        return Trouble.SHUT_DOWN_INSIDE
    return Trouble.STAYS_UP if _stays_up(one, look, queue, now) else None


def _stays_up(one: _Stood, look: Look, queue: WorkQueue, now: datetime) -> bool:
    """Whether it should have stopped itself by now. A worker whose stop is refused says "stopping" again and again."""
    watch, is_running = one.watch, one.seen.vm.power_state is PowerState.RUNNING
    if watch.idle_since is None or watch.up_since is None or look.backlog.visible or not is_running:
        return False
    may_be_down = one.standing is not Standing.SERVES and watch.told is not Trouble.STAYS_UP
    allowed = queue.idle + queue.minimum + 2 * LOOK_EVERY + (GRAPH_IS_BEHIND if may_be_down else timedelta())
    return now - max(watch.idle_since, watch.up_since) > allowed


def _noted(
    one: _Stood, trouble: Trouble | None, let_go_at: datetime | None, *, is_asked: bool, now: datetime
) -> VmWatch:
    watch, heard_at = one.watch, last_word(one.seen.words)
    never_spoke = watch.up_since is not None and (heard_at is None or heard_at < watch.up_since)
    is_boot_failure = trouble is Trouble.SILENT and watch.told is not Trouble.SILENT and never_spoke
    failures = watch.boot_failures + is_boot_failure
    asks = 0 if _spoke_since_it_was_asked_for(one) else watch.asks_in_vain
    if one.standing is Standing.SERVES:
        failures, asks = 0, 0
    noted = replace(watch, told=trouble, boot_failures=failures, asks_in_vain=asks, let_go_at=let_go_at)
    return replace(noted, asked_at=now, asks_in_vain=asks + 1) if is_asked else noted


def _spoke_since_it_was_asked_for(one: _Stood) -> bool:
    """Whether its worker did, which no look may have seen: the VM may be down again."""
    asked_at, heard_at = one.watch.asked_at, last_word(one.seen.words)
    return asked_at is not None and heard_at is not None and heard_at > asked_at + CLOCKS_DIFFER


def _reason(look: Look, stood: list[_Stood], wanted: int, starting: int, queue: WorkQueue) -> str:
    backlog = look.backlog
    if not backlog.total:
        return "it has no messages"
    standings = [one.standing for one in stood]
    seen = [f"{standings.count(each)} {each}" for each in Standing if each in standings]
    passed_over = standings.count(Standing.READY) - len(_candidates(stood))
    if passed_over:
        seen.append(f"{passed_over} of these in a pool without capacity just now")
    vms = ", ".join(seen) or f"no VM has the tag StartForWork={queue.name}"
    per_vm = f"{queue.messages_per_vm} a VM, at most {count(queue.max_vms, 'VM')}"
    return f"{backlog.told}; {per_vm}: {count(wanted, 'VM')} for them; {vms}; {starting} to start"
