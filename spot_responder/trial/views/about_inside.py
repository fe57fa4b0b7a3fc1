"""Judges the beliefs about the inside of the VM (V1 to V17, E17), by what its listener printed. Pure.

``checks.py`` has the table.
"""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.policy import NOTICE_HOLDS
from spot_responder.intake.payloads import field, moment, text_field
from spot_responder.intake.vms import PowerState
from spot_responder.trial.views.observations import Mark
from spot_responder.trial.views.verdicts import fails, holds, unseen

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.trial.views.observations import Heard, Observations
    from spot_responder.trial.views.verdicts import Found

_OK: Final = 200
_PASSING: Final = frozenset({0, 408, 429, *range(500, 600)})
_LAST_HEARD: Final = timedelta(seconds=20)
"""The listener prints each second, and ARM may show the VM as going down some seconds after that was so."""
_HEARD_IN_PART: Final = unseen("the serial log ends before the VM went down")
_NOT_FOUND: Final = 404
_UNKNOWN_VERSION: Final = frozenset({400, 404})
_FIRST_WITHIN_S: Final = 130
_NOTICE: Final = timedelta(seconds=30)
_ABOUT: Final = timedelta(seconds=3)
"""The listener asks each second, and the times of an event are whole seconds."""
_A_SECOND: Final = 2.0
"""The header has no fractions."""
_AN_HOUR_S: Final = 3000
"""A token that lives for an hour may have been given to somebody before."""


def names_this_vm(seen: Observations) -> Found:
    """V1: an event names the VM as the instance's own metadata does."""
    notices, service = _notices(seen), _said(seen, "service")
    name = text_field(service.told, "name") if service is not None else ""
    if not notices or not name:
        return _not_heard(seen, "no eviction was shown inside")
    named = {str(each) for event in _preempts(notices[0]) for each in _list(event, "Resources")}
    right = name.lower() in {each.lower() for each in named}
    return _by(notices[0], f"named: {', '.join(sorted(named))}; own name: {name}", right=right)


def answers_in_two_minutes(seen: Observations) -> Found:
    """V2: the first answer of a boot may take two minutes; other requests do no harm."""
    firsts = [each for each in seen.heard if each.what == "first answer"]
    if not firsts:
        return _not_heard(seen, "no first answer was told")
    told = ", ".join(f"{field(each.told, 'status')} after {field(each.told, 'took_s')} s" for each in firsts)
    right = all(field(each.told, "status") == _OK and _number(each, "took_s") <= _FIRST_WITHIN_S for each in firsts)
    return _by(firsts[-1], told, right=right)


def refuses_unknown_versions(seen: Observations) -> Found:
    """V3: a version that the service does not know is answered 400 or 404."""
    service = _said(seen, "service")
    if service is None:
        return _not_heard(seen, "nothing was told of the service")
    newest, unknown = field(service.told, "newest"), field(service.told, "unknown")
    if not (newest and unknown):
        return unseen("the service did not answer in time")
    right = unknown in _UNKNOWN_VERSION and newest in {_OK, *_UNKNOWN_VERSION}
    return _by(service, f"2024-07-09: {newest}; 2030-01-01: {unknown}", right=right)


def gives_thirty_seconds(seen: Observations) -> Found:
    """V4: thirty seconds of notice at most."""
    notices = _notices(seen)
    if not notices:
        return _not_heard(seen, "no eviction was shown inside")
    if not _was_heard_to_its_end(seen, notices[0]):
        return _HEARD_IN_PART
    lasted = _last_of_boot(seen, notices[0]).at - notices[0].at
    told = f"the VM was alive for {lasted.total_seconds():.0f} s after the eviction was first shown"
    return _by(notices[0], told, right=lasted <= _NOTICE + _ABOUT)


def stays_shown(seen: Observations) -> Found:
    """V5: an event stays in the document until it is over."""
    notices = _notices(seen)
    if not notices:
        return _not_heard(seen, "no eviction was shown inside")
    if len({text_field(event, "EventId") for each in notices for event in _preempts(each)}) > 1:
        return unseen("several evictions were shown inside: which one was over is not known")
    first = notices[0]
    later = [each for each in _of_boot(seen, first) if each.what == "events" and each.at >= first.at]
    without = [each for each in later if not _preempts(each)]
    if without:
        return fails(f"shown, and absent {(without[0].at - first.at).total_seconds():.0f} s later", without[0].at)
    if not _was_heard_to_its_end(seen, first):
        return _HEARD_IN_PART
    return holds(f"shown in each of {len(later)} answers until the VM was gone", later[-1].at)


def takes_one_a_second(seen: Observations) -> Found:
    """V6: one request a second is within the limit."""
    if not seen.heard:
        return _not_heard(seen, "no requests were counted")
    too_many, asked = (max(_number(each, name) for each in seen.heard) for name in ("too_many", "asked"))
    if not too_many and not (asked and _said(seen, "first answer")):
        return _not_heard(seen, "no requests were counted")
    return _by(seen.heard[-1], f"up to {asked:.0f} requests in a boot, {too_many:.0f} times 429", right=not too_many)


def comes_at_not_before(seen: Observations) -> Found:
    """V7: an eviction that nobody acknowledges comes at ``NotBefore``."""
    dated = [
        (each, at)
        for each in _notices(seen)
        for event in _preempts(each)
        if (at := _time(text_field(event, "NotBefore"))) is not None
    ]
    if not dated:
        return _not_heard(seen, "no eviction with a NotBefore was shown inside")
    first, not_before = dated[0]
    if not _was_heard_to_its_end(seen, first):
        return _HEARD_IN_PART
    last = _last_of_boot(seen, first).at
    told = f"NotBefore {not_before:%H:%M:%S}, last heard at {last:%H:%M:%S}"
    return _by(first, told, right=abs(last - not_before) <= _ABOUT)


def sees_no_shutdown(seen: Observations) -> Found:
    """V10: the guest sees no shutdown when it is evicted."""
    notices = _notices(seen)
    if not notices:
        return _not_heard(seen, "no eviction was shown inside")
    ends = [each for each in _of_boot(seen, notices[0]) if each.what == "told to end"]
    if ends:
        return fails("the listener was told to end before the VM was gone", ends[0].at)
    if not _was_heard_to_its_end(seen, notices[0]):
        return _HEARD_IN_PART
    return holds("the listener was not told to end", _last_of_boot(seen, notices[0]).at)


def has_new_boot_id(seen: Observations) -> Found:
    """V11: each start of a VM has a new boot id."""
    boots = [each for each in seen.heard if each.what == "boot"]
    ran_again = Mark.RUNS in seen.marks and any(each.at >= seen.marks[Mark.STARTED] for each in boots)
    if not ran_again:
        return _not_heard(seen, "the listener was not heard after a start")
    before = {each.boot for each in boots if each.at < seen.marks[Mark.STARTED]}
    after = {each.boot for each in boots if each.at >= seen.marks[Mark.STARTED]}
    if not before:
        return _not_heard(seen, "the listener was not heard before the start")
    return _by(boots[-1], f"the same: {len(before & after)} of {len(before | after)}", right=not before & after)


def has_right_clock(seen: Observations) -> Found:
    """V13: the service's ``Date`` is right to a second."""
    service = _said(seen, "service")
    off = field(service.told, "clock_error_s") if service is not None else None
    if service is None or not isinstance(off, int | float):
        return _not_heard(seen, "no Date was told")
    return _by(service, f"the VM's clock is {off:.1f} s ahead", right=abs(off) <= _A_SECOND)


def has_no_load_balancer(seen: Observations) -> Found:
    """V14: 404 where no load balancer reaches the VM."""
    service = _said(seen, "service")
    status = field(service.told, "load_balancer") if service is not None else 0
    if service is None or not isinstance(status, int) or status in _PASSING:
        return _not_heard(seen, "nothing was told of load balancers")
    return _by(service, f"answered {status}", right=status == _NOT_FOUND)


def gives_a_token(seen: Observations) -> Found:
    """V16: the VM's only identity answers without ``client_id``, with a token for an hour or more."""
    service = _said(seen, "service")
    if service is None:
        return _not_heard(seen, "nothing was told of the service")
    lives = field(service.told, "token_lives_s")
    if not isinstance(lives, int | float):
        return fails(f"no token: {text_field(service.told, 'token_lives_s_refused')}", service.at)
    return _by(service, f"a token for {lives:.0f} s", right=lives > _AN_HOUR_S)


def prints_to_serial_log(seen: Observations) -> Found:
    """V17: what a service writes to the serial console can be read soon."""
    if seen.heard:
        return holds(f"{len(seen.heard)} lines were read", seen.heard[-1].at)
    log = seen.last("serial log")
    if log is None or not log.is_good:
        return _not_heard(seen, "")
    return fails("the log was read, and has nothing of the listener", log.at)


def is_soon_shown_by_arm(seen: Observations) -> Found:
    """E17: after a notice ARM shows the VM as deallocating or deallocated within five minutes, by the VM's clock."""
    notices = _notices(seen)
    if not notices:
        return _not_heard(seen, "no eviction was shown inside")
    down = {PowerState.DEALLOCATING, PowerState.DEALLOCATED}
    shown = next((each.at for each in seen.powers if each.state in down and each.at >= seen.marks[Mark.EVICTION]), None)
    if shown is None:
        return unseen("ARM did not show it")
    after = shown - notices[0].at
    return _by(notices[0], f"{after.total_seconds():.0f} s after the notice", right=abs(after) <= NOTICE_HOLDS)


def _notices(seen: Observations) -> list[Heard]:
    """Give what was heard of the eviction, if there was one."""
    return [each for each in seen.heard if each.what == "events" and _preempts(each) and Mark.EVICTED in seen.marks]


def _preempts(heard: Heard) -> list[object]:
    return [event for event in _list(heard.told, "events") if text_field(event, "EventType").lower() == "preempt"]


def _of_boot(seen: Observations, notice: Heard) -> list[Heard]:
    """Give what was heard in the boot of the eviction, until ARM showed the VM as gone or it was started again."""
    until = min(seen.marks[Mark.EVICTED] + _ABOUT, seen.marks.get(Mark.STARTED, seen.marks[Mark.EVICTED] + _ABOUT))
    return [each for each in seen.heard if each.boot == notice.boot and each.at <= until] or [notice]


def _was_heard_to_its_end(seen: Observations, notice: Heard) -> bool:
    """Whether the serial log has what was printed until the VM went down, and not only the beginning."""
    down = {PowerState.DEALLOCATING, PowerState.DEALLOCATED}
    gone = next((each.at for each in seen.powers if each.state in down and each.at >= seen.marks[Mark.EVICTION]), None)
    return gone is None or _last_of_boot(seen, notice).at >= gone - _LAST_HEARD


def _last_of_boot(seen: Observations, notice: Heard) -> Heard:
    return max(_of_boot(seen, notice), key=lambda each: each.at)


def _said(seen: Observations, what: str) -> Heard | None:
    return next((each for each in seen.heard if each.what == what), None)


def _list(value: object, name: str) -> list[object]:
    found = field(value, name)
    return found if isinstance(found, list) else []


def _number(heard: Heard, name: str) -> float:
    value = field(heard.told, name)
    return float(value) if isinstance(value, int | float) else 0.0


def _time(text: str) -> datetime | None:
    """Read a time as Azure's own samples have it, by RFC 1123, or as ISO 8601."""
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return moment(text)


def _by(heard: Heard, told: str, *, right: bool) -> Found:
    return (holds if right else fails)(told, heard.at)


def _not_heard(seen: Observations, what: str) -> Found:
    return unseen(what if seen.heard else seen.missed.get("listener", "nothing was heard from inside the VM"))
