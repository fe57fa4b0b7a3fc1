"""The fourth promise: every recovery ends in one true outcome, and every wait has a reason."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from localazure.virtual.wire import RequestKind
from localazure.world.machines import PowerState
from soak.responder.seen import CLOCKS, LOOK, PRICES, conditions, is_tagged
from spot_responder.decisions.app_health.app_failures import Activity
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.publishing.published_events import CLOSED_TYPE, NEEDS_SOMEBODY_TYPE, PRICE_ALERT_TYPE
from spot_responder.intake.signals import Inbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from azure.core.messaging import CloudEvent

    from localazure.world.machines import Machine
    from soak.responder.seen import Seen

NAMED_WITHIN: Final = timedelta(minutes=32)
"""What keeps the app from a look for half an hour is told with the look that is due then."""

_AT_THE_LATEST: Final = {
    "AuthorizationFailed": 1,
    "KeyVaultAccessForbidden": 1,
    "InvalidResourceType": 1,
    "QuotaExceeded": 1,
    "NeverSeenBefore": 3,
}
"""After so many refusals with such a code, one after the other, somebody is told."""

_UP: Final = frozenset({PowerState.RUNNING, PowerState.STARTING})


def untold(seen: Seen) -> Iterator[str]:
    """Say of each recovery that is open still, or did not end in exactly one outcome."""
    storage = seen.azure.app.storage
    open_ids = {row["recovery_id"] for row in seen.rows() if not row["closed_at"]}
    for row in seen.rows():
        if not row["closed_at"]:
            yield f"told: the recovery of {row['vm_id']} is still open: {row['reason']}"
    written = Counter(recovery_id for _, recovery_id in storage.history.rows)
    heard: dict[str, set[object]] = {}
    for event in _closings(seen):
        heard.setdefault(event.id, set()).add((event.data or {}).get("outcome"))
    for recovery_id, vm_id in seen.opened.items():
        if recovery_id not in open_ids and (written[recovery_id] != 1 or len(heard.get(recovery_id, ())) != 1):
            yield (
                f"told: recovery {recovery_id} of {vm_id} is {written[recovery_id]} times in the history"
                f" and was told as {heard.get(recovery_id, set())}"
            )


def untrue(seen: Seen) -> Iterator[str]:
    """Say of each outcome that the world contradicts."""
    for event in seen.azure.app.storage.heard:
        recovery_id = (event.data or {}).get("recoveryId")
        if event.type == PRICE_ALERT_TYPE:
            yield from _untrue_alert(seen, event)
        elif event.type != CLOSED_TYPE and recovery_id not in seen.opened:
            yield f"told: {event.type} of a recovery that never was: {recovery_id}"
    for event in _closings(seen):
        outcome, machine = (event.data or {}).get("outcome"), seen.azure.world.machine(event.subject or "")
        closed_at = event.time
        holds = TRUTHS.get(str(outcome))
        if holds and closed_at and not holds(seen, machine, closed_at):
            yield f"told: {machine.name} is {outcome} at {closed_at:%d %H:%M:%S}, which is not so"


def _untrue_alert(seen: Seen, event: CloudEvent[dict[str, object]]) -> Iterator[str]:
    """Say what is wrong with an alert: its VM has that limit, and only prices of the world are compared with it."""
    data, machine = event.data or {}, seen.azure.world.machine(event.subject or "")
    limit, spot = data["maxPrice"], data["spotPrice"]
    # Not by the app's own rule: that is what is judged.
    is_below, says_below = float(str(limit)) < float(str(spot)), data["standing"] == "below"
    if limit != machine.max_price or spot not in PRICES or is_below != says_below:
        yield f"told: the max price of {machine.name}, {machine.max_price}, is {data['standing']} {spot}"


def unnamed(seen: Seen) -> Iterator[str]:
    """Say of each message that could not be answered for long why nobody would know.

    Judged only while nothing but one service of Azure is out: where our own tables fail, there is no place to say it,
    and once looks succeed again, a message that waits for its turn says nothing of now.
    """
    faults, app = seen.faults, seen.azure.app
    now = seen.azure.clock.now()
    is_out = {outage.request_kind for outage in faults.outages}
    is_plain = not (faults.rates.refused or faults.rates.death or faults.logins_out)
    out_since = [outage.begin for outage in faults.outages if outage.begin <= now < outage.end]
    if not is_plain or not is_out <= {RequestKind.GRAPH, RequestKind.VM_READ} or not out_since:
        return
    is_said = any(activity != Activity.PRICES for _, activity in app.storage.health.rows)
    # An agent's word is never reported as blocked: its ``requeuedsince`` may be forged (docs/promises.md).
    for event in (json.loads(message.body) for message in app.messages if message.inbox is not Inbox.AGENTS):
        requeued_since = datetime.fromisoformat(event.get("requeuedsince", "9999-01-01T00:00:00+00:00"))
        since = max(requeued_since, *out_since)
        row = next((row for row in seen.rows() if row["vm_id"].lower() == event["subject"].lower()), None)
        blocked = row is not None and row["notice"] == "blocked"
        if now - since > NAMED_WITHIN and not is_said and not blocked and event["subject"]:
            yield f"told: {event['subject']} could not be looked at since {since:%H:%M:%S}, and nobody is told"


def unheard(seen: Seen, row: Mapping[str, Any]) -> Iterator[str]:
    """Say that somebody is needed for a recovery, by what its row knows of refusals, and nobody was told.

    Told before the row is saved that knows of it; unless the topic did not take at once what it was told meanwhile.
    """
    attempt, refused = json.loads(row["attempt"]), seen.refused.setdefault(row["recovery_id"], [])
    if attempt is None or attempt["failure"] is None or sum(json.loads(row["failures"]).values()) <= len(refused):
        return
    code = attempt["failure"]["code"]
    refused.append((seen.azure.clock.now(), code))
    run = refused[-_AT_THE_LATEST.get(code, len(refused) + 1) :]
    if len(run) < _AT_THE_LATEST.get(code, len(refused) + 1) or any(each != code for _, each in run):
        return
    heard = seen.azure.app.storage.heard
    is_told = any(event.type == NEEDS_SOMEBODY_TYPE and _is_of(event, row) for event in heard)
    # Between the try to tell it and the row that is judged lie two more requests, each of which may take half a minute.
    topic_was_out = seen.faults.untold_at is not None and seen.faults.untold_at >= run[0][0] - 2 * LOOK
    if not is_told and not topic_was_out:
        yield f"told: {row['vm_id']} was refused with {code}, {len(run)} times in a row, and nobody was told"


def _is_of(event: CloudEvent[dict[str, object]], row: Mapping[str, Any]) -> bool:
    return bool((event.data or {}).get("recoveryId") == row["recovery_id"])


def _closings(seen: Seen) -> Iterator[CloudEvent[dict[str, object]]]:
    return (event for event in seen.azure.app.storage.heard if event.type == CLOSED_TYPE)


def _ran(_seen: Seen, machine: Machine, closed_at: datetime) -> bool:
    return any(one.power_state is PowerState.RUNNING for one in _lately(machine, closed_at))


def _was_deleted(_seen: Seen, machine: Machine, closed_at: datetime) -> bool:
    return machine.deleted_at is not None and machine.deleted_at <= closed_at + CLOCKS


def _was_stopped(seen: Seen, machine: Machine, closed_at: datetime) -> bool:
    """By its owner, or by an eviction that cannot be told from that (docs/azure-assumptions.md E1)."""
    looked_like_it = "VirtualMachineDeallocationInitiated" in seen.azure.world.eviction_annotations
    stops = [*machine.stop_calls, *(machine.evictions if looked_like_it else ())]
    return any(at <= closed_at + CLOCKS for at in stops)


def _was_untagged(_seen: Seen, machine: Machine, closed_at: datetime) -> bool:
    return not all(is_tagged(one.tags) for one in _lately(machine, closed_at))


def _restores_itself(seen: Seen, machine: Machine, _closed_at: datetime) -> bool:
    return seen.restores_itself(machine)


def _lately(machine: Machine, closed_at: datetime) -> Iterator[Any]:
    return conditions(machine, closed_at - LOOK - CLOCKS, closed_at + CLOCKS)


TRUTHS: Final[Mapping[str, Callable[[Seen, Machine, datetime], bool]]] = {
    Outcome.RESTORED: _ran,
    Outcome.RUNS_WITHOUT_US: _ran,
    Outcome.GONE: _was_deleted,
    Outcome.STOPPED_BY_OWNER: _was_stopped,
    Outcome.OPTED_OUT: _was_untagged,
    Outcome.OWNED_BY_SCALE_SET: _restores_itself,
}
