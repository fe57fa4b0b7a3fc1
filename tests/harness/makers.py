"""Makes VMs, signals and recoveries for tests, with what matters named and the rest as usual."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Unpack

from hypothesis import strategies as st

from spot_responder.decisions.agent_notes import AgentNotes
from spot_responder.decisions.attempts import Attempt, AttemptState, SizeNotes, UnfitSize, WeighedSize
from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.failure_counts import FailureCounts
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import ANSWER_PATIENCE, Policy, RestartWhen
from spot_responder.decisions.pools import FIRST_STARTS, PoolGate, PoolId
from spot_responder.decisions.recoveries import Absence, Notice, Recovery
from spot_responder.decisions.situations import Operation, OperationState, Situation
from spot_responder.intake.azure_errors import Failure, FailureKind, classify
from spot_responder.intake.signals import Signal, SignalKind, Source
from spot_responder.intake.vms import PowerState, Vm, VmId

if TYPE_CHECKING:
    from typing import TypedDict

    class SignalFields(TypedDict, total=False):
        """What a test may want to set of a signal."""

        source: Source
        detail: str
        has_caller: bool
        sequence: int | None


TEN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
"""Ten o'clock, when the stories begin."""

DAYS = timedelta(days=3)

VM_ID = VmId("11111111-1111-1111-1111-111111111111", "rg-batch", "render-1")


def at(clock: str) -> datetime:
    """Give a time of the stories' day: ``at("10:20")``, ``at("10:20:05")``."""
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    return TEN.replace(hour=hours, minute=minutes, second=seconds[0] if seconds else 0)


def spot_vm(power_state: PowerState = PowerState.DEALLOCATED) -> Vm:
    """Make a tagged Spot VM that we cover."""
    return Vm(
        vm_id=VM_ID,
        location="westeurope",
        size="Standard_D2s_v5",
        priority="Spot",
        tags={"AttemptRestartAfterEviction": "true"},
        power_state=power_state,
    )


def signal(kind: SignalKind, occurred_at: datetime = TEN, **fields: Unpack[SignalFields]) -> Signal:
    """Make a signal about the VM; an annotation unless told otherwise."""
    made = Signal(VM_ID, kind, occurred_at, Source.HEALTH_ANNOTATION, "")
    return replace(made, **fields)


def evicted(occurred_at: datetime = TEN) -> Signal:
    """Make the signal that says: evicted."""
    return signal(SignalKind.EVICTED, occurred_at)


def recovery(opened_at: datetime = TEN) -> Recovery:
    """Make an open recovery of the VM, evicted when it was opened."""
    return Recovery(VM_ID, "recovery-1", opened_at, SignalKind.EVICTED, evidence=Evidence(evicted_at=opened_at))


def failure(kind: FailureKind, code: str = "SomeCode", retry_after: timedelta | None = None) -> Failure:
    """Make a refusal of Azure's."""
    return Failure(kind, code, "as Azure words it", retry_after)


def situation(
    signal: Signal,
    vm: Vm | None,
    recovery: Recovery | None = None,
    *,
    pool: PoolGate | None = None,
    operation: Operation | None = None,
) -> Situation:
    """Make a situation as ``gather`` would: the signal's evidence added to the recovery's."""
    evidence = (recovery.evidence if recovery else Evidence()).with_signal(signal)
    if vm:
        evidence = evidence.with_annotation(vm.annotation)
    return Situation(signal.vm_id, signal.kind, vm, recovery, evidence, pool, operation, signal=signal)


def asking(now: str = "10:00:10") -> Recovery:
    """Make a recovery that asked for a start at this time of the day and has no answer yet."""
    return recovery().asking(at(now), at(now) + ANSWER_PATIENCE, "evicted")


def accepted(now: str = "10:00:10") -> Recovery:
    """Make a recovery whose start request Azure accepted."""
    return asking(now).accepted("https://arm.example/subscriptions/s/operations/1?c=signed")


# Arbitrary ones, for rules that are general. Times are within some days of the stories' day.

NAMES = st.text("abcXYZ019-_()", min_size=1, max_size=20)
TIMES = st.datetimes(TEN.replace(tzinfo=None) - DAYS, TEN.replace(tzinfo=None) + DAYS, timezones=st.just(UTC))
ROLLS = st.floats(0, 1)
VM_IDS = st.builds(VmId, NAMES, NAMES, NAMES, st.just("") | NAMES)
ONE_LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30)
CODES = st.sampled_from(
    [
        "AllocationFailed",
        "SpotPriceGreaterThanProvidedMaxPrice",
        "QuotaExceeded",
        "TooManyRequests",
        "AnotherOperationInProgress",
        "ResourceNotFound",
        "AuthorizationFailed",
        "VMStartTimedOut",
    ]
)
FAILURES = st.builds(
    lambda status, code, message, seconds: classify(
        status, {"error": {"code": code, "message": message}}, {"Retry-After": seconds} if seconds else {}
    ),
    st.sampled_from([None, 200, 403, 404, 409, 429, 500]),
    CODES | st.text(),
    st.text(),
    st.none() | st.integers(0, 90_000).map(str),
)
ATTEMPTS = st.builds(
    Attempt,
    number=st.integers(1, 50),
    asked_at=TIMES,
    state=st.sampled_from(AttemptState),
    operation_url=st.none() | ONE_LINE,
    failure=st.none() | FAILURES,
    resize_to=st.sampled_from(["", "", "Standard_D4as_v5"]),
)
_STARTS = st.lists(TIMES, max_size=4).map(tuple)
EVIDENCE = st.builds(
    Evidence,
    *(5 * [st.none() | TIMES]),
    starts_asked=_STARTS,
    noticed_at=st.none() | TIMES,
    seen_down_at=st.none() | TIMES,
    stopped_by=st.none() | st.uuids().map(lambda each: each.hex),
)
AGENT_NOTES = st.builds(
    AgentNotes,
    NAMES,
    *(2 * [st.none() | TIMES]),
    st.booleans(),
    *(3 * [st.none() | TIMES]),
    st.sampled_from(["", "Reboot"]),
    st.none() | TIMES,
    st.booleans(),
)
_SIZES = st.sampled_from(["Standard_D2s_v5", "Standard_D4as_v5", "Standard_D4s_v4"])
SIZE_NOTES = st.builds(
    SizeNotes,
    first=st.just("") | _SIZES,
    given=st.lists(_SIZES, max_size=3).map(tuple),
    resizes=_STARTS,
    unfit=st.lists(st.builds(UnfitSize, _SIZES, ONE_LINE, TIMES), max_size=2).map(tuple),
    tried=st.lists(_SIZES, max_size=3).map(tuple),
    weighed=st.lists(st.builds(WeighedSize, _SIZES, ONE_LINE, ONE_LINE), max_size=2).map(tuple),
)
POOL_IDS = st.builds(PoolId, *(4 * [NAMES]))
ABSENCES = st.none() | st.builds(Absence, TIMES, st.none() | TIMES)
_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "vm_id": VM_IDS,
    "recovery_id": NAMES,
    "opened_at": TIMES,
    "opened_by": st.sampled_from(SignalKind),
    "evidence": EVIDENCE,
    "sequence": st.integers(0, 9999),
    "wake_at": st.none() | TIMES,
    "not_before": st.none() | TIMES,
    "attempts": st.integers(0, 50),
    "attempt": st.none() | ATTEMPTS,
    "failures": st.builds(
        FailureCounts,
        st.none() | st.sampled_from(FailureKind),
        st.integers(0, 2000),
        st.none() | TIMES,
        st.dictionaries(st.sampled_from(FailureKind), st.integers(1, 2000)),
    ),
    "published_notices": st.frozensets(st.sampled_from(Notice)),
    "restarts": st.lists(TIMES, max_size=4).map(tuple),
    "starts": _STARTS,
    "slow_down_until": st.none() | TIMES,
    "recorded": st.booleans(),
    "seen_queued_at": st.none() | TIMES,
    "reason": ONE_LINE.map(lambda text: f"because {text}"),
    "held_at": st.none() | TIMES,
    "absence": ABSENCES,
    "obstacle_since": st.none() | TIMES,
    "pool": st.none() | POOL_IDS,
    "agent": AGENT_NOTES,
    "sizes": SIZE_NOTES,
}
OPEN_RECOVERIES = st.builds(Recovery, **_FIELDS)
CLOSED_RECOVERIES = st.builds(Recovery, outcome=st.sampled_from(Outcome), closed_at=TIMES, **_FIELDS)
NOTES = st.builds(Recovery, closed_at=TIMES, **_FIELDS)
RECOVERIES = OPEN_RECOVERIES | CLOSED_RECOVERIES | NOTES
POOLS = st.builds(
    PoolGate,
    POOL_IDS,
    refusals=st.integers(0, 2000),
    closed_until=st.none() | TIMES,
    width=st.integers(1, 2 * FIRST_STARTS),
    trickles=st.booleans(),
    round_of=st.integers(0, FIRST_STARTS),
    refused_last=NAMES,
    proven_at=st.none() | TIMES,
    under_way=st.dictionaries(NAMES, TIMES, max_size=4),
)
VMS = st.builds(
    Vm,
    vm_id=VM_IDS,
    location=NAMES,
    size=NAMES,
    priority=st.sampled_from(["Spot", "Low", "SpotPlus", "Regular", ""]),
    tags=st.sampled_from([{"AttemptRestartAfterEviction": "true"}, {"attemptrestartaftereviction": "True"}, {}]),
    power_state=st.sampled_from([*PowerState, *(4 * [PowerState.DEALLOCATED])]),
    zone=st.none() | st.just("1"),
    scale_set_id=st.none() | NAMES,
    restored_by_scale_set=st.sampled_from([False, False, False, None, True]),
)
OPERATIONS = st.builds(
    lambda state, failure: Operation(state, failure if state is OperationState.FAILED else None),
    st.sampled_from(OperationState),
    FAILURES,
)
ANY_SITUATIONS = st.builds(
    lambda said, **known: Situation(said.vm_id, said.kind, signal=said, **known),
    st.builds(signal, st.sampled_from(SignalKind), TIMES),
    vm=st.none() | VMS,
    recovery=st.none() | RECOVERIES,
    evidence=EVIDENCE,
    gate=st.none() | POOLS,
    operation=st.none() | OPERATIONS,
    shown=st.none() | VMS,
    absence=ABSENCES,
)
# A recovery of ours, open and evicted: what arbitrary situations seldom are.
OUR_SITUATIONS = st.builds(
    lambda given, recovery, evicted_at: replace(
        given,
        vm=spot_vm(),
        recovery=recovery,
        evidence=Evidence(evicted_at=evicted_at),
    ),
    ANY_SITUATIONS,
    st.none() | OPEN_RECOVERIES,
    TIMES,
)
SITUATIONS = ANY_SITUATIONS | OUR_SITUATIONS
DELAYS = st.sampled_from([0.001, 0.5, 15, 60, 3600, 86_400, 6 * 86_400]).map(lambda seconds: timedelta(seconds=seconds))
POLICIES = st.builds(
    lambda policy, delays: replace(policy, capacity_retry=min(delays), capacity_retry_max=max(delays)),
    st.builds(
        Policy,
        restart_tag=st.just("AttemptRestartAfterEviction"),
        restart_when=st.sampled_from(RestartWhen),
        restarts_per_day=st.integers(1, 10),
        look_again=DELAYS,
        price_retry=DELAYS,
        slow_retry=DELAYS,
    ),
    st.tuples(DELAYS, DELAYS),
)


def recovery_under_way() -> Recovery:
    """Give a recovery whose first start was accepted at 10:00:20."""
    evidence = recovery().evidence.with_signal(evicted())
    case = replace(recovery(), evidence=evidence, pool=PoolId("s", "westeurope", "1", "standard_d4s_v5"))
    case = case.asking(at("10:00:20"), at("10:02:20"), "a tagged Spot VM, deallocated, evicted")
    return case.accepted(None).waiting(at("10:00:35"), "start request 1 accepted")
