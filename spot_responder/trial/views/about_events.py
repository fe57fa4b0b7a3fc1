"""Judges the beliefs about evictions and events (E1 to E16, Q1, Q14). Pure; ``checks.py`` has the table."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.policy import EVICTION_PATIENCE
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.events import kind_of_annotation, read_event
from spot_responder.intake.payloads import NotOurs, UnreadableEvent, text_field
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import PowerState
from spot_responder.trial.views.observations import Mark
from spot_responder.trial.views.verdicts import Found, fails, holds, of, unseen

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_responder.intake.signals import Signal
    from spot_responder.trial.views.observations import Arrived, Observations

_NOT_EVICTED: Final = unseen("no eviction was seen")
_NOT_STOPPED: Final = unseen("no stop was seen")
_NOT_HEARD_OUT: Final = unseen("the witness queue was not read to the end, or had messages that are no events")
_NO_WITNESS: Final = unseen("no event of this kind about the VM arrived at the witness queue")
_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
_FAILED: Final = frozenset({"failed", "canceled"})
_POLICY: Final = "RequestDisallowedByPolicy"
_NO_RIGHT: Final = frozenset({401, 403})
_NEAR: Final = timedelta(minutes=1)
_SECONDS: Final = timedelta(seconds=10)
_DOWN: Final = frozenset({PowerState.DEALLOCATING, PowerState.DEALLOCATED, PowerState.STOPPING, PowerState.STOPPED})
_EVICTS_WITHIN: Final = timedelta(minutes=30)
_DEALLOCATE: Final = "microsoft.compute/virtualmachines/deallocate/action"


def is_annotated(seen: Observations) -> Found:
    """E1: the eviction's annotation reaches Event Grid."""
    if not _may_tell(seen, Mark.EVICTED, _is_of_health):
        return _why_not(seen, Mark.EVICTED, _NOT_EVICTED)
    told = [each.annotation for each in _of_eviction(seen) if each.annotation]
    for each in _of_eviction(seen):
        if kind_of_annotation(each.annotation) is SignalKind.EVICTED:
            return holds(f"a simulated eviction was annotated {each.annotation}", each.at)
    if not _was_heard_out(seen, _end_of_eviction(seen)):
        return _NOT_HEARD_OUT
    return fails(f"annotations of a simulated eviction: {', '.join(told) or 'none'}", seen.marks[Mark.EVICTED])


def is_told_at_once(seen: Observations) -> Found:
    """E2: the annotation comes at the beginning of the eviction, within seconds."""
    annotated = [each for each in _of_eviction(seen) if kind_of_annotation(each.annotation) is SignalKind.EVICTED]
    if not annotated or Mark.EVICTED not in seen.marks:
        return unseen("no annotation of an eviction arrived")
    event, down_at = annotated[0], seen.marks[Mark.EVICTED]
    lead = (down_at - event.at).total_seconds()
    came = f"it arrived {abs(lead):.0f} s {'before' if lead >= 0 else 'after'} ARM showed the VM as deallocated"
    late = event.at > down_at + _SECONDS
    early = event.at < down_at - EVICTION_PATIENCE
    return (fails if late or early else holds)(came, event.at)


def is_unavailable(seen: Observations) -> Found:
    """E3: a deallocated VM's availability becomes ``Unavailable``."""
    if not _may_tell(seen, Mark.EVICTED, _is_of_health):
        return _why_not(seen, Mark.EVICTED, _NOT_EVICTED)
    states = [each for each in _of_eviction(seen) if each.availability]
    for each in states:
        if each.availability.lower() == "unavailable":
            return holds(f"Unavailable {_after(each, seen, Mark.EVICTED)}", each.at)
    if not _was_heard_out(seen, _end_of_eviction(seen)):
        return _NOT_HEARD_OUT
    told = ", ".join(each.availability for each in states) or "no event of it"
    return fails(f"availability after the eviction: {told}", seen.marks[Mark.EVICTED])


def has_no_owners_annotation(seen: Observations) -> Found:
    """E4: an eviction is not annotated as an owner's stop as well."""
    if not _may_tell(seen, Mark.EVICTED, _is_of_health):
        return _why_not(seen, Mark.EVICTED, _NOT_EVICTED)
    for each in _of_eviction(seen):
        if kind_of_annotation(each.annotation) is SignalKind.STOPPED_BY_OWNER:
            return fails(f"{each.annotation} {_after(each, seen, Mark.EVICTED)}", each.at)
    if not _was_heard_out(seen, _end_of_eviction(seen)):
        return _NOT_HEARD_OUT
    return holds("no annotation of a stop until the start", seen.marks[Mark.EVICTED])


def has_no_deallocate_event(seen: Observations) -> Found:
    """E5: an eviction emits no event of ARM that names a caller."""
    if not _may_tell(seen, Mark.EVICTED, _is_of_arm):
        return _why_not(seen, Mark.EVICTED, _NOT_EVICTED)
    for each in _of_eviction(seen):
        signal = _signal(each)
        if each.operation == _DEALLOCATE and not isinstance(signal, NotOurs) and signal.has_caller:
            return fails(f"an event of {each.operation} with a caller", each.at)
    if not _was_heard_out(seen, _end_of_eviction(seen)):
        return _NOT_HEARD_OUT
    return holds("no event of a deallocation until the start", seen.marks[Mark.EVICTED])


def has_evict_operation(seen: Observations) -> Found:
    """E7: an operation whose name has ``evictSpotVM`` in it is an eviction."""
    for each in _of_eviction(seen):
        if "evictspotvm" in each.operation:
            return holds(f"Event Grid told {each.operation}", each.at)
    logs = seen.answers.get("activity log", [])
    for log in logs:
        entries = log.body.get("value") if log.is_good and isinstance(log.body, dict) else []
        for name in sorted({text_field(each, "operationName", "value") for each in entries or []}):
            if "evictspotvm" in name.lower():
                return holds(f"the activity log has {name}", log.at)
    if not any(log.is_good for log in logs):
        return unseen(f"no such event; the activity log: {logs[-1].told() if logs else 'not read'}")
    return unseen("neither an event nor the activity log has such a name; a simulated eviction has none")


def is_simulated(seen: Observations) -> Found:
    """E8: success means accepted, and the eviction comes within 30 minutes."""
    asked = seen.last("simulate eviction")
    if asked is None:
        return unseen(seen.missed.get("simulate eviction", "no eviction was asked for"))
    if not asked.is_good:
        return of(asked, f"refused: {asked.told()}", right=False)
    down = next((each for each in seen.powers if each.at >= asked.at and each.state in _DOWN), None)
    if down is None and not any(each.at >= asked.at for each in seen.powers):
        return unseen("nobody could look at the VM after that")
    if down is None:
        return fails("accepted, and the VM did not go down within the time that was waited", asked.at)
    after = down.at - asked.at
    told = f"accepted ({asked.status}), {down.state} {after.total_seconds():.0f} s later"
    return (holds if after <= _EVICTS_WITHIN else fails)(told, down.at)


def tells_owners_stop(seen: Observations) -> Found:
    """E10: an owner's stop is annotated, or emits an event whose claims name the caller."""
    if not _may_tell(seen, Mark.STOP, lambda each: each.event is not None):
        return _why_not(seen, Mark.STOP, _NOT_STOPPED)
    for each in seen.events(Mark.STOP):
        signal = _signal(each)
        if isinstance(signal, NotOurs) or signal.kind is not SignalKind.STOPPED_BY_OWNER:
            continue
        if each.annotation or signal.has_caller:
            return holds(f"told by {each.annotation or each.operation}", each.at)
    if not _was_heard_out(seen, Mark.END):
        return _NOT_HEARD_OUT
    return fails("neither an annotation of a stop nor an event with a caller", seen.marks[Mark.STOP])


def tells_at_the_end(seen: Observations) -> Found:
    """E11: an event of ARM comes when the operation ends, and its time is about that of the stop."""
    stopped_at = seen.marks.get(Mark.STOPPED)
    if stopped_at is None:
        return _NOT_STOPPED
    for each in seen.events(Mark.STOP):
        if each.operation == _DEALLOCATE and each.occurred_at is not None:
            apart = abs((each.occurred_at - stopped_at).total_seconds())
            told = f"the event's time and the deallocation, as ARM showed it, are {apart:.0f} s apart"
            return (holds if apart <= _NEAR.total_seconds() else fails)(told, each.at)
    return unseen("no event of the deallocation arrived")


def has_one_annotation(seen: Observations) -> Found:
    """E12: HealthResources holds the newest annotation only, and a start replaces the eviction's."""
    answer = seen.last("annotations after the start")
    if answer is None or not answer.is_good or not answer.rows:
        return unseen("Resource Graph showed no annotation after the start")
    names = [text_field(row, "properties", "annotationName") for row in answer.rows]
    if not all(names):
        return unseen("an annotation after the start has no name")
    right = len(names) == 1 and kind_of_annotation(names[0]) is not SignalKind.EVICTED
    return of(answer, f"after the start Resource Graph had: {', '.join(names)}", right=right)


def allows_one_topic(seen: Observations) -> Found:
    """E14: one system topic for each pair of source and topic type."""
    answer = seen.last("second topic")
    if answer is None:
        return unseen(seen.missed.get("second topic", "not tried"))
    if answer.status in {*_NO_RIGHT, _NOT_FOUND} or answer.failure.kind is FailureKind.CONFLICT:
        return unseen(f"a second one: {answer.told()}")
    if answer.is_good and not answer.is_provisioned:
        ended = answer.provisioning_state in _FAILED
        return holds("a second one: accepted, and it failed", answer.at) if ended else unseen("a second one: not ready")
    return of(answer, f"a second one: {answer.told()}", right=not answer.is_good)


def writes_cloud_events(seen: Observations) -> Found:
    """E15: both topics write CloudEvents 1.0."""
    read = [(each, each.event) for each in seen.arrived if each.event is not None]
    if not read:
        return _NO_WITNESS
    other = [each for each, told in read if told.get("specversion") != "1.0"]
    if other:
        return fails(f"{len(other)} of {len(read)} events are no CloudEvents 1.0", other[0].at)
    if len(read) < len(seen.arrived):
        return unseen(_unreadable(seen))
    health = sum(not each.operation for each, _ in read)
    if health in {0, len(read)}:
        return unseen("events of one topic only arrived, as CloudEvents")
    return holds(f"{health} events of Resource Health and {len(read) - health} of ARM", read[-1][0].at)


def is_read(seen: Observations) -> Found:
    """E16: ids, subjects and types are read in whatever spelling they come."""
    if not seen.arrived:
        return _NO_WITNESS
    signals = 0
    for each in seen.arrived:
        try:
            signal = read_event(each.event) if each.event is not None else None
        except UnreadableEvent as error:
            return fails(f"unreadable: {error}", each.at)
        if signal is None or isinstance(signal, NotOurs):
            continue
        signals += 1
        if str(signal.vm_id).lower() != seen.vm_id.lower():
            return fails("an event of the VM was read as another VM's", each.at)
    if any(each.event is None for each in seen.arrived):
        return unseen(_unreadable(seen))
    if not signals:
        return unseen("none of the events that arrived tells the app anything")
    return holds(f"the app reads all {len(seen.arrived)} events; {signals} tell it something", seen.arrived[-1].at)


def is_base64(seen: Observations) -> Found:
    """Q1: Event Grid base64-encodes queue messages."""
    if not seen.arrived:
        return _NO_WITNESS
    for each in seen.arrived:
        try:
            base64.b64decode(each.raw, validate=True)
        except (binascii.Error, ValueError):
            return fails(f"a message begins with {each.raw[:1]!r}", each.at)
    if any(each.event is None for each in seen.arrived):
        return unseen(_unreadable(seen))
    return holds(f"all {len(seen.arrived)} messages are", seen.arrived[-1].at)


def checks_rights_first(seen: Observations) -> Found:
    """Q14: an event subscription is refused until the topic has its rights at the queue and at the account."""
    early = seen.answers.get("event subscription without rights", [])
    made = next((each for each in early if each.is_provisioned), None)
    if made is not None:
        return fails("an event subscription was made before the topic had any right", made.at)
    without, given = next(reversed(early), None), seen.last("event subscription")
    if without is None or given is None:
        return unseen(seen.missed.get("event subscription", "no event subscription was made"))
    if given.failure.code == _POLICY or (given.is_good and not given.is_provisioned):
        return unseen(f"with the rights: {given.told()}")
    if not given.is_good:
        return of(given, f"refused with both rights too: {given.told()}", right=False)
    if without.status not in {_BAD_REQUEST, *_NO_RIGHT} and without.provisioning_state not in _FAILED:
        return unseen(f"without the rights: {without.told()}")
    return holds("refused without the rights, accepted with them", given.at)


def rights_take_minutes(seen: Observations) -> Found:
    """Q15: a role takes effect within the minutes that the deployment lets pass."""
    assigned, given = seen.first("right of the topic at the queue"), seen.last("event subscription")
    if assigned is None or not assigned.is_good or given is None or not given.is_good:
        return unseen("no event subscription was accepted after a role was assigned")
    first = next((each for each in seen.answers["event subscription"] if each.is_good), given)
    after = first.at - assigned.at
    told = f"accepted {after.total_seconds():.0f} s after the role was assigned"
    return of(first, told, right=after <= timedelta(minutes=10))


def shows_deallocated(seen: Observations) -> Found:
    """C3: evicted and stopped VMs both show ``deallocated``."""
    for begun, ended in ((Mark.EVICTION, Mark.EVICTED), (Mark.STOP, Mark.STOPPED)):
        if ended not in seen.marks:
            last = seen.powers[-1] if seen.powers else None
            after = begun in seen.marks and last is not None and last.at > seen.marks[begun]
            if after and last is not None and last.state in _DOWN - {PowerState.DEALLOCATED}:
                return fails(f"last shown as {last.state}", last.at)
            return unseen("not both an eviction and a stop were seen")
    on_the_way = any(sample.state is PowerState.STOPPED for sample in seen.powers)
    told = f"both did; stopped was {'' if on_the_way else 'not '}seen on the way"
    return holds(told, seen.marks[Mark.STOPPED])


def _of_eviction(seen: Observations) -> list[Arrived]:
    """Give the events from the eviction until the VM was started, or stopped by the trial."""
    return seen.events(Mark.EVICTION, _end_of_eviction(seen))


def _end_of_eviction(seen: Observations) -> Mark:
    return next((mark for mark in (Mark.STARTED, Mark.STOP) if mark in seen.marks), Mark.END)


def _was_heard_out(seen: Observations, until: Mark) -> bool:
    """Whether the witness queue was read to that moment, and all that lay in it can be read."""
    end = seen.marks.get(until)
    if seen.drained_at is None or (end is not None and seen.drained_at < end - _SECONDS):
        return False
    return all(each.event is not None for each in seen.arrived)


def _may_tell(seen: Observations, mark: Mark, is_alike: Callable[[Arrived], bool]) -> bool:
    """Whether an event that did not come would have come: others like it did, and the moment was there."""
    return mark in seen.marks and any(map(is_alike, seen.arrived))


def _is_of_health(event: Arrived) -> bool:
    return bool(event.annotation or event.availability)


def _is_of_arm(event: Arrived) -> bool:
    return bool(event.operation)


def _why_not(seen: Observations, mark: Mark, without: Found) -> Found:
    return without if mark not in seen.marks else _NO_WITNESS


def _after(event: Arrived, seen: Observations, mark: Mark) -> str:
    after = ((event.occurred_at or event.at) - seen.marks[mark]).total_seconds()
    return f"dated {abs(after):.0f} s {'after' if after >= 0 else 'before'} ARM showed the VM as deallocated"


def _signal(event: Arrived) -> Signal | NotOurs:
    try:
        return read_event(event.event) if event.event is not None else NotOurs("no event")
    except UnreadableEvent as error:
        return NotOurs(str(error))


def _unreadable(seen: Observations) -> str:
    unread = sum(each.event is None for each in seen.arrived)
    return f"{unread} of {len(seen.arrived)} messages are no events that can be read"
