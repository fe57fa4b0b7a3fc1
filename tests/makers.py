"""Makes VMs, signals and recoveries for tests, with what matters named and the rest as usual."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Unpack

from spot_responder.evidence import Evidence
from spot_responder.failures import Failure, FailureKind
from spot_responder.recoveries import Recovery
from spot_responder.signals import Signal, SignalKind, Source
from spot_responder.situations import Situation
from spot_responder.vms import PowerState, Vm, VmId

if TYPE_CHECKING:
    from typing import TypedDict

    from spot_responder.pools import Pool
    from spot_responder.situations import Operation

    class SignalFields(TypedDict, total=False):
        """What a test may want to set of a signal."""

        source: Source
        detail: str
        has_caller: bool
        sequence: int | None


TEN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
"""Ten o'clock, when the stories begin."""

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
    pool: Pool | None = None,
    operation: Operation | None = None,
) -> Situation:
    """Make a situation as ``gather`` would: the signal's evidence added to the recovery's."""
    evidence = (recovery.evidence if recovery else Evidence()).with_signal(signal)
    if vm:
        evidence = evidence.with_annotation(vm.annotation)
    return Situation(signal, vm, recovery, evidence, pool, operation)
