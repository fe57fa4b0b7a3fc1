"""The log: one line for each decision, as one JSON object, for operators to read and for queries to count.

No token, claim, address or operation URL is ever among the fields. Called by the responder's modules and the clients;
read by ``queries/logs/*.kql``. Lines about work queues: ``work/log.py``.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Final

from spot_responder.advised_command import CommandLine
from spot_responder.decisions.agents_word import SILENT
from spot_responder.decisions.pools import pool_of
from spot_responder.decisions.publishing.notices import needs_somebody
from spot_responder.decisions.recoveries import Notice
from spot_responder.decisions.recovery_times import notice_lead, ready_after
from spot_responder.decisions.situations import Close, Wait
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.signals import SignalKind, Source
from spot_responder.offerings.fallback_tag import OFF, TURN_ON, read_fallback_sizes

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.app_health.app_failures import Activity
    from spot_responder.decisions.app_health.event_path import EventPath
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.decisions.situations import Decision, Situation
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.signals import Inbox, Signal
    from spot_responder.intake.vms import VmId
    from spot_responder.offerings.price_alerts import PriceAlert

_ABOUT_ACCESS: Final = (
    "where it is a matter of rights, assign the role of infra/responder-role.json on its subscription or resource group"
)
_ABOUT_RESIZES: Final = (
    "assign the role of infra/resizer-role.json to the identity of RESIZE_CLIENT_ID, on the VM's resource group"
)
_ABOUT_SIZES: Final = (
    "assign infra/resizer-role.json on the VM's resource group and infra/resize/lists-role.json on its subscription "
    "to the identity of RESIZE_CLIENT_ID, and assign that identity to the app"
)
_NO_LOGIN: Final = (
    "nothing was asked of Azure: see that the app has its managed identity, and that AZURE_CLIENT_ID is the id of that"
)

LOG: Final = logging.getLogger("spot_responder")


def keep_libraries_quiet() -> None:
    """Let only this app's loggers write below WARNING: each line that leaves the Functions worker is paid for.

    The worker sends whatever the root logger lets pass, and sets that to INFO before it loads the app; Azure's SDKs log
    each request and each answer at INFO. The loggers that may write are listed here, so new libraries are quiet as
    well.
    """
    logging.getLogger().setLevel(logging.WARNING)
    LOG.setLevel(logging.INFO)


def log_decision(
    situation: Situation, decision: Decision, now: datetime, recovery: Recovery | None = None, *, dry_run: bool = False
) -> None:
    """Log what was decided about one VM, and why. ``recovery`` is the recovery as it is now, where there is one."""
    recovery = recovery or situation.open_recovery
    fields = _of_cause(situation) | {
        "decision": type(decision).__name__.lower(),
        "reason": decision.reason,
        "power_state": str(situation.vm.power_state) if situation.vm else None,
        "evidence": str(situation.evidence.verdict),
        "recovery": recovery.recovery_id if recovery else None,
        "opened_by": str(recovery.opened_by) if recovery else None,
        "attempts": recovery.attempts if recovery else None,
        "pool": str(pool_of(situation.vm)) if situation.vm else None,
        "needs": str(needs) if recovery and recovery.is_open and (needs := needs_somebody(recovery, now)) else None,
        "dry_run": dry_run or None,
        "sizes": {each.size: each.told for each in situation.weighed} or None,
        "bad_tag": (read_fallback_sizes(situation.vm.tags).problem or None) if situation.vm else None,
    }
    if isinstance(decision, Wait):
        fields |= {"until": decision.until.isoformat()} | _of_failure(decision.failure)
    if isinstance(decision, Close):
        fields |= {"outcome": str(decision.outcome)} | _down(recovery.down_since if recovery else None, now)
        fields |= _of_agent(recovery) if recovery else {}
    write_line(logging.INFO, "decision", fields)


def log_start_accepted(situation: Situation, recovery: Recovery) -> None:
    """Log that Azure accepted a start request."""
    write_line(logging.INFO, "start accepted", _of_attempt(situation, recovery))


def log_start_refused(
    situation: Situation, recovery: Recovery, failure: Failure, needs: Notice | None = None, *, in_vain: bool = False
) -> None:
    """Log that Azure refused a start request at once. ``in_vain``: its owner named other sizes, and that is off."""
    fields = _of_attempt(situation, recovery) | _of_failure(failure) | _of_need(needs)
    write_line(logging.WARNING, "start refused", fields | _of_sizes_off(failure, in_vain=in_vain))


def log_start_failed(
    situation: Situation, recovery: Recovery, failure: Failure, needs: Notice | None = None, *, in_vain: bool = False
) -> None:
    """Log that a start which Azure had accepted failed. ``in_vain``: as for one that was refused."""
    fields = _of_attempt(situation, recovery) | _of_failure(failure) | _of_need(needs)
    write_line(logging.WARNING, "start failed", fields | _of_sizes_off(failure, in_vain=in_vain))


def log_resize_accepted(situation: Situation, recovery: Recovery) -> None:
    """Log that Azure accepted a change of a VM's size."""
    write_line(logging.INFO, "resize accepted", _of_attempt(situation, recovery) | _of_size(recovery))


def log_resize_refused(situation: Situation, recovery: Recovery, failure: Failure) -> None:
    """Log that Azure refused a change of a VM's size, and what to do where it is a matter of rights."""
    fields = _of_attempt(situation, recovery) | _of_size(recovery) | _of_failure(failure)
    is_denied = failure.kind is FailureKind.DENIED
    write_line(logging.WARNING, "resize refused", fields | ({"what_to_do": _ABOUT_RESIZES} if is_denied else {}))


def log_sizes_not_read(vm_id: VmId, failure: Failure) -> None:
    """Log that the identity that may change sizes was not let read what is needed: no size is changed meanwhile."""
    is_denied = failure.kind is FailureKind.DENIED or failure.lacks_token
    fields: dict[str, object] = {"vm": str(vm_id)} | _of_failure(failure)
    write_line(logging.WARNING, "sizes not read", fields | ({"what_to_do": _ABOUT_SIZES} if is_denied else {}))


def log_workload_ready(recovery: Recovery) -> None:
    """Log that a VM's agent told when its workload went on."""
    about = {"vm": str(recovery.vm_id), "recovery": recovery.recovery_id}
    write_line(logging.INFO, "workload ready", about | _of_agent(recovery))


def log_agents_word(signal: Signal) -> None:
    """Log the maintenance that a VM's agent told of: nothing is done about it."""
    write_line(logging.INFO, "maintenance", _of_signal(signal))


def log_agent_silent(recovery: Recovery) -> None:
    """Log that a restored VM's agent does not report, though it used to. The alarm ``lasting`` reads it."""
    fields: dict[str, object] = {
        "vm": str(recovery.vm_id),
        "recovery": recovery.recovery_id,
        "needs": str(Notice.AGENT_SILENT),
        "reason": SILENT,
        "what_to_do": "on the VM: does the agent run, and what does its journal say? spot-agent status",
    }
    write_line(logging.WARNING, "agent silent", fields)


def log_status_not_shown(problem: str) -> None:
    """Log that the status page could not be shown, and what to do about it."""
    write_line(logging.WARNING, "status not shown", {"reason": problem})


def log_let_go(signal: Signal, reason: str) -> None:
    """Log that a signal which could not be looked into is dropped, and what that means for an owner's stop."""
    is_stop = signal.kind is SignalKind.STOPPED_BY_OWNER
    then = "the stop is forgotten, and the VM may be started" if is_stop else "the sweep raises it again"
    if signal.source is Source.AGENT:
        then = "what the agent told is not noted"
    write_line(logging.WARNING, "let go", _of_signal(signal) | {"reason": f"{reason}; {then}"})


def log_lasting(activity: Activity, since: datetime, problem: str, vm_id: VmId | None = None) -> None:
    """Log that the app has failed at an activity for so long that it seems not to pass by itself."""
    about: dict[str, object] = {"activity": str(activity), "vm": str(vm_id) if vm_id else None}
    write_line(logging.ERROR, "lasting failure", about | {"since": since.isoformat(), "reason": problem})


def log_requeued(signal: Signal, reason: str) -> None:
    """Log that a signal could not be looked into and comes back later."""
    write_line(logging.WARNING, "requeued", _of_signal(signal) | {"reason": reason})


def log_denied(signal: Signal, problem: str, failure: Failure) -> None:
    """Log that the app may not read a VM, or cannot for lack of a token, and what to do about it."""
    what_to_do = _NO_LOGIN if failure.lacks_token else _ABOUT_ACCESS
    write_line(logging.ERROR, "denied", _of_signal(signal) | {"reason": problem, "what_to_do": what_to_do})


def log_not_ours(reason: str) -> None:
    """Log that an event is not for the app."""
    write_line(logging.INFO, "not ours", {"reason": reason})


def log_unreadable(problem: str, inbox: Inbox) -> None:
    """Log that a message is not a readable event, and what to do about it."""
    what_to_do = (
        f"the host tries it again and then moves it to {inbox}-poison; look who writes such messages to the queue, "
        f"and try a copy with: {CommandLine()('read-event', 'FILE')}"
    )
    write_line(logging.ERROR, "unreadable", {"reason": problem, "what_to_do": what_to_do})


def log_odd_row(where: str, problem: str) -> None:
    """Log that a row of a query's result or of a table is left out, so that the others are still read."""
    write_line(logging.WARNING, "odd row", {"reason": f"{where}: {problem}"})


def log_sweep(found: int, overdue: int, busy: int, path: EventPath) -> None:
    """Log what a sweep found, what opened the recoveries, and each subscription whose event path is silent.

    The alarm ``event-path-silent`` reads the latter; its rule is in ``decisions/app_health/event_path.py`` only.
    """
    counts: dict[str, object] = {"opened_by_sweep": path.found_by_sweep, "opened_by_events": path.told_by_event}
    write_line(logging.INFO, "sweep", {"found": found, "overdue": overdue, "busy": busy} | counts)
    for silent in path.silent:
        fields: dict[str, object] = {
            "subscription": silent.subscription_id,
            "vms": silent.vms,
            "found_at": silent.last_found_at.isoformat(),
            "told_at": silent.last_told_at.isoformat() if silent.last_told_at else None,
            "what_to_do": "look at the subscription's system topics, their event subscriptions and dead letters",
        }
        write_line(logging.WARNING, "event path silent", fields)


def log_price_alert(alert: PriceAlert) -> None:
    """Log that a VM's max price has fallen behind the Spot price of its size, and what shows the commands for it."""
    fields: dict[str, object] = {
        "vm": str(alert.vm_id),
        "standing": str(alert.standing),
        "reason": alert.says,
        "what_to_do": f"set a higher max price, or none: {CommandLine()('prices')}",
    }
    write_line(logging.WARNING, "price alert", fields)


def log_outcome_not_published(recovery: Recovery, problem: str) -> None:
    """Log that an outcome could not be published; the history has it all the same."""
    reason = f"the outcome {recovery.outcome} was not published: {problem}; check OUTCOMES_TOPIC_ENDPOINT and its role"
    write_line(
        logging.ERROR,
        "outcome not published",
        {"vm": str(recovery.vm_id), "recovery": recovery.recovery_id, "reason": reason},
    )


def log_notice_not_published(recovery: Recovery, notice: Notice, problem: str) -> None:
    """Log that a notice could not be published; the next look tries again."""
    reason = f"the notice {notice} was not published: {problem}; check OUTCOMES_TOPIC_ENDPOINT and its role"
    write_line(
        logging.WARNING,
        "notice not published",
        {"vm": str(recovery.vm_id), "recovery": recovery.recovery_id, "reason": reason},
    )


def _of_cause(situation: Situation) -> dict[str, object]:
    """Give what made the app look: a signal, or only its kind."""
    return _of_signal(situation.signal) if situation.signal else {"vm": str(situation.vm_id), "signal": situation.kind}


def _of_signal(signal: Signal) -> dict[str, object]:
    return {
        "vm": str(signal.vm_id),
        "signal": str(signal.kind),
        "source": str(signal.source),
        "detail": signal.detail or None,
        "occurred_at": signal.occurred_at.isoformat() if signal.occurred_at else None,
    }


def _down(since: datetime | None, now: datetime) -> dict[str, object]:
    """Give how long the VM was down, in seconds."""
    return {"down_s": round((now - since).total_seconds(), 3)} if since else {}


def _of_agent(recovery: Recovery) -> dict[str, object]:
    """Give what is known by the VM's agent, in seconds: how long before, and how long after the VM went down."""
    lead, after = notice_lead(recovery), ready_after(recovery)
    return {
        "notice_lead_s": round(lead.total_seconds(), 3) if lead is not None else None,
        "ready_after_s": round(after.total_seconds(), 3) if after is not None else None,
    }


def _of_attempt(situation: Situation, recovery: Recovery) -> dict[str, object]:
    return _of_cause(situation) | {"recovery": recovery.recovery_id, "attempts": recovery.attempts}


def _of_size(recovery: Recovery) -> dict[str, object]:
    return {"size": recovery.attempt.resize_to if recovery.attempt else None}


def _of_sizes_off(failure: Failure, *, in_vain: bool) -> dict[str, object]:
    return {"what_to_do": f"{OFF}: {TURN_ON}"} if in_vain and failure.kind is FailureKind.CAPACITY else {}


def _of_need(needs: Notice | None) -> dict[str, object]:
    return {"needs": str(needs)} if needs else {}


def _of_failure(failure: Failure | None) -> dict[str, object]:
    return {"failure": str(failure.kind), "code": failure.code, "message": failure.message} if failure else {}


def write_line(level: int, event: str, fields: dict[str, object]) -> None:
    """Write a line with all fields that have a value."""
    told = {"event": event} | {name: value for name, value in fields.items() if value is not None}
    # In ASCII: some readers break lines at U+2028, and half a surrogate pair would make the whole line unreadable.
    LOG.log(level, "%s", json.dumps(told))
