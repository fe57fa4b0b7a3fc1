"""Judges the beliefs about ARM and Compute (C1 to C27, R5, R7). Pure; ``checks.py`` has the table."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.payloads import field, text_field
from spot_responder.intake.vms import PowerState
from spot_responder.trial.views.about_sizes import OWN_SIZE
from spot_responder.trial.views.observations import UNANSWERED, Mark
from spot_responder.trial.views.verdicts import Found, Verdict, fails, holds, of, unseen

if TYPE_CHECKING:
    from spot_responder.trial.views.observations import Answered, Observations

_ACCEPTED: Final = 202
_NOT_FOUND: Final = 404
_ANSWERS_WITHIN_S: Final = 120
_SHOWS_WITHIN: Final = timedelta(minutes=10)
_GONE_AFTER: Final = timedelta(minutes=10)
_BUCKET: Final = re.compile(r"UpdateVM(?:Resource)?;(\d+)", re.IGNORECASE)
_SIZE_OF_BUCKET: Final = 12
_LAST_LOOKS: Final = 2
"""So many looks in a row without a power state are no passing lack of it."""
_ALIASES: Final = ("microsoft.compute/virtualmachines/priority", "microsoft.compute/virtualmachines/evictionpolicy")


def shows_this_moment(seen: Observations) -> Found:
    """C1: a GET with instance view gives tags, priority and power state of this moment."""
    written, read = seen.last("tag written"), seen.last("VM right after the tag")
    if written is None or read is None or not (written.is_good and read.is_good):
        return unseen(
            seen.missed.get("tag written", f"no tag was written: {written.told() if written else 'not tried'}")
        )
    wanted = text_field(written.body, "properties", "tags", "moment") or text_field(written.body, "tags", "moment")
    if not wanted:
        return unseen("the answer to the tag did not show it")
    got, priority = text_field(read.body, "tags", "moment"), text_field(read.body, "properties", "priority")
    told = f"a tag written before is {'there' if got == wanted else 'not there'}, priority {priority or 'not shown'}"
    statuses = field(read.body, "properties", "instanceView", "statuses")
    right = got == wanted and priority.lower() == "spot" and isinstance(statuses, list)
    return of(read, told, right=right)


def fails_to_deallocated(seen: Observations) -> Found:
    """C4: a start that failed leaves the VM deallocated."""
    operation, after = seen.last("operation of the refused start"), seen.last("VM after the refused start")
    if operation is None or after is None:
        return unseen("the start was refused at once; one that fails later, for want of capacity, cannot be ordered")
    if OWN_SIZE in seen.missed:
        return unseen(f"it was started with another size: {seen.missed[OWN_SIZE]}")
    states = re.findall(r"PowerState/(\w+)", str(after.body))
    if text_field(operation.body, "status").lower() != "failed" or not states:
        return unseen("the start did not fail, or the VM was not shown after it")
    return of(after, f"{operation.told()}; then {', '.join(states)}", right=states == ["deallocated"])


def misses_power_state(seen: Observations) -> Found:
    """C5: a missing power state passes."""
    without = [each for each in seen.powers if each.state is PowerState.UNKNOWN]
    if not without:
        return unseen(f"none of {len(seen.powers)} looks lacked the power state")
    last = seen.powers[-_LAST_LOOKS:]
    if last == without[-_LAST_LOOKS:] and len(last) == _LAST_LOOKS:
        return fails("missing, and still so at the end", without[-1].at)
    if seen.state() is PowerState.UNKNOWN:
        return unseen("missing in the last look, after which nobody looked")
    return holds(f"missing in {len(without)} of {len(seen.powers)} looks, then there again", without[-1].at)


def starts_with_operation(seen: Observations) -> Found:
    """C7: a start is answered 202, with ``Azure-AsyncOperation`` at ARM's own host."""
    start = _start(seen)
    if start is None or not start.is_good:
        return unseen(_no_start(seen, start))
    address = start.headers.get("azure-asyncoperation", "")
    own = urlsplit(address)[:2] == urlsplit(seen.endpoint)[:2]
    elsewhere = "" if own or not address else " elsewhere"
    told = f"{start.status}, {'with' if address else 'without'} Azure-AsyncOperation{elsewhere}"
    return of(start, told, right=start.status == _ACCEPTED and bool(address) and own)


def retries_after_ten(seen: Observations) -> Found:
    """C8: ``Retry-After`` on start is 10 s."""
    start = _start(seen)
    if start is None or not start.is_good:
        return unseen(_no_start(seen, start))
    told = start.headers.get("retry-after", "")
    if not told and start.status != _ACCEPTED:
        return unseen("the answer to the start was final")
    return of(start, f"Retry-After: {told or 'none'}", right=told == "10")


def bears_start_of_running(seen: Observations) -> Found:
    """C9: starting a VM that runs is harmless."""
    start, after = seen.last("start of a running VM"), seen.last("VM after the start of a running VM")
    if start is None or after is None:
        return unseen(seen.missed.get("start of a running VM", "not tried"))
    states = re.findall(r"PowerState/(\w+)", str(after.body))
    if not (after.is_good and states):
        return unseen(f"then: {after.told()}, without a power state")
    return of(start, f"{start.told()}; then {', '.join(states)}", right=start.is_good and states == ["running"])


def knows_codes(seen: Observations) -> Found:
    """C10: the app knows the codes by which price and quota refuse a start or a create."""
    asked = {"price": "start below the price", "quota": "VM beyond the quota"}
    got = {kind: _refusal(seen, name) for kind, name in asked.items()}
    found = {kind: answer for kind, answer in got.items() if answer is not None}
    if not found:
        return unseen("neither price nor quota refused anything; capacity cannot be ordered")
    wanted = {"price": FailureKind.PRICE, "quota": FailureKind.QUOTA}
    told = "; ".join(f"{kind}: {answer.failure.said}" for kind, answer in found.items())
    kinds = {kind: answer.failure.kind for kind, answer in found.items()}
    if any(kind is FailureKind.UNKNOWN for kind in kinds.values()):
        return fails(told, next(iter(found.values())).at)
    if not any(kinds[each] is wanted[each] for each in kinds):
        return unseen(f"refused for other reasons: {told}")
    return holds(told, next(iter(found.values())).at)


def reads_conflict(seen: Observations) -> Found:
    """C12: ``OperationNotAllowed`` is understood by its message."""
    answer = seen.first("start while it deallocates")
    if answer is None or answer.is_good:
        return unseen(seen.missed.get("start while it deallocates", "a start during the deallocation was not refused"))
    if answer.failure.code != "OperationNotAllowed":
        return unseen(f"refused in other words: {answer.told()}")
    return of(answer, answer.told(), right=answer.failure.kind is FailureKind.CONFLICT)


def starts_in_time(seen: Observations) -> Found:
    """C16: an answer to a start within 2 minutes, the power state within 10."""
    start, asked_at = _start(seen), seen.marks.get(Mark.STARTED)
    if start is None or asked_at is None or not start.is_good:
        return unseen(_no_start(seen, start))
    up = (PowerState.STARTING, PowerState.RUNNING)
    shown = next((each for each in seen.powers if each.at >= asked_at and each.state in up), None)
    if shown is None and not any(each.at >= asked_at for each in seen.powers):
        return unseen("nobody could look at the VM after the start")
    if shown is None:
        return fails("accepted, and not shown as starting or running while it was waited for", start.at)
    after = shown.at - asked_at
    told = (
        f"answered within {start.took_s:.1f} s, shown as {shown.state} {after.total_seconds():.0f} s after the request"
    )
    return (holds if start.took_s <= _ANSWERS_WITHIN_S and after <= _SHOWS_WITHIN else fails)(told, shown.at)


def counts_as_documented(seen: Observations) -> Found:
    """C17: Compute's buckets and ARM's."""
    start = _start(seen)
    if start is None or not start.is_good:
        return unseen(_no_start(seen, start))
    left = start.headers.get("x-ms-ratelimit-remaining-resource", "")
    bucket = _BUCKET.search(left)
    writes = start.headers.get("x-ms-ratelimit-remaining-subscription-writes")
    right = bucket is not None and int(bucket[1]) < _SIZE_OF_BUCKET and writes is not None
    return of(start, f"remaining: {left or 'no header'}; writes {writes or 'not told'}", right=right)


def has_one_tag(seen: Observations) -> Found:
    """C18: tag names compare without regard to case."""
    first, answer = seen.last("tag written"), seen.last("tag in another casing")
    if first is None or not first.is_good or answer is None or not answer.is_good:
        return unseen(seen.missed.get("tag in another casing", "no tag was written"))
    tags = field(answer.body, "properties", "tags")
    names = [name for name in tags if str(name).lower() == "moment"] if isinstance(tags, dict) else []
    if not names:
        return unseen("the answer to the tag did not show it")
    return of(answer, f"of two casings there is: {', '.join(names) or 'none'}", right=len(names) == 1)


def says_gone(seen: Observations) -> Found:
    """C23: "not found" of a VM is understood."""
    asked = [each for name in ("VM that is not there", "start of nobody") if (each := seen.last(name)) is not None]
    answers = [each for each in asked if each.status == _NOT_FOUND]
    if not answers:
        return unseen(f"not 404: {asked[0].told()}" if asked else "not asked")
    wrong = [each for each in answers if each.failure.kind is not FailureKind.GONE]
    return of(answers[0], "; ".join(each.told() for each in wrong or answers), right=not wrong)


def names_what_is_gone(seen: Observations) -> Found:
    """C29: of what is not there ARM says so by one of two codes."""
    wanted = {"group that is not there": "ResourceGroupNotFound", "VM that is not there": "ResourceNotFound"}
    asked = [(answer, code) for name, code in wanted.items() if (answer := seen.last(name)) is not None]
    if len(asked) < len(wanted) or any(answer.status != _NOT_FOUND for answer, _ in asked):
        return unseen("; ".join(f"not 404: {answer.told()}" for answer, _ in asked) or "not asked")
    codes = [text_field(answer.body, "error", "code") for answer, _ in asked]
    told = f"404 of a group: {codes[0] or 'without a code'}; of a VM: {codes[1] or 'without a code'}"
    return of(asked[-1][0], told, right=codes == list(wanted.values()))


def is_found(seen: Observations) -> Found:
    """C26: "not found" about a VM that exists passes within ten minutes."""
    created_at = seen.marks.get(Mark.CREATED)
    looks = [each for each in seen.powers if created_at is not None and each.at >= created_at]
    if created_at is None or not looks:
        return unseen("no VM was created")
    gone = [each for each in looks if each.state is None]
    made = seen.last("VM")
    if len(gone) == len(looks) and (made is None or not made.is_good):
        return unseen("the VM was not seen, and its creation got no answer that tells anything")
    if not gone:
        return holds(f"none of {len(looks)} looks said so", looks[-1].at)
    last = gone[-1].at - created_at
    told = f"{len(gone)} of {len(looks)} looks said so, the last {last.total_seconds():.0f} s after its creation"
    return (holds if last <= _GONE_AFTER and looks[-1].state is not None else fails)(told, gone[-1].at)


def polls_location(seen: Observations) -> Found:
    """C27: at ``Location`` a start answers 202 while it runs, and 200 or 204 when it is done."""
    polls = seen.answers.get("location of the start", [])
    if not polls:
        return unseen("the start had no Location, or none was asked")
    statuses = [each.status for each in polls]
    told = f"{statuses.count(_ACCEPTED)} times 202, at last {statuses[-1]}"
    if statuses[-1] == _ACCEPTED:
        done = Mark.RUNS in seen.marks and polls[-1].at > seen.marks[Mark.RUNS] + timedelta(minutes=2)
        return fails(told, polls[-1].at) if done else unseen(f"{told}: it was not asked to the end")
    return of(polls[-1], told, right=statuses[-1] in {200, 204} and set(statuses[:-1]) <= {202})


def is_locked(seen: Observations) -> Found:
    """R5: a read-only lock blocks a start."""
    answer = seen.last("start of a locked VM")
    if answer is None:
        return unseen(seen.missed.get("start of a locked VM", "not tried"))
    right = answer.failure.code == "ScopeLocked" and not answer.is_good
    if not right and not answer.is_good:
        return unseen(f"refused, and not for the lock: {answer.told()}")
    return of(answer, answer.told(), right=right)


def has_aliases(seen: Observations) -> Found:
    """R7: the names that the policy uses."""
    answer = seen.last("aliases")
    if answer is None or not answer.is_good:
        return unseen(f"aliases of Microsoft.Compute: {answer.told() if answer else 'not asked'}")
    names = str(answer.body).lower()
    if "microsoft.compute/" not in names:
        return unseen("no alias of Microsoft.Compute was shown")
    missing = [alias for alias in _ALIASES if f"'{alias}'" not in names]
    return of(answer, f"missing: {', '.join(missing) or 'none'}", right=not missing)


def refuses_nobody(seen: Observations) -> Found:
    """R8: 404 for a VM that does not exist where the action is allowed, 403 where it is not."""
    answer = seen.last("start of nobody")
    if answer is None:
        return unseen("not asked")
    if answer.status != _NOT_FOUND:
        return of(answer, f"with the right: {answer.told()}", right=False)
    return Found(
        Verdict.NOT_SEEN, "half of it: 404 with the right; what comes without it, this login cannot see", answer.at
    )


def _refusal(seen: Observations, name: str) -> Answered | None:
    answer = seen.last(name)
    if answer is None or answer.tells_nothing:
        return None
    if name == "start below the price" and OWN_SIZE in seen.missed:
        # It was started with another size, of another price.
        return None
    if not answer.is_good:
        return answer
    later = seen.last("operation of the refused start")
    is_refused = later is not None and text_field(later.body, "status").lower() == "failed"
    return later if name == "start below the price" and is_refused else None


def _start(seen: Observations) -> Answered | None:
    """Give the answer to the start; where one try of it got none, the next one tells nothing of how starts go."""
    return None if f"start{UNANSWERED}" in seen.answers else seen.last("start")


def _no_start(seen: Observations, start: Answered | None) -> str:
    return f"refused: {start.told()}" if start else seen.missed.get("start", "no start was asked for")
