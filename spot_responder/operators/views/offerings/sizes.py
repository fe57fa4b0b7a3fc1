"""The sizes that a VM could become, and what is known of their pools. Pure; ``operators/sizes.py`` gathers it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spot_responder.advised_command import shell_words
from spot_responder.decisions.pools import PoolId
from spot_responder.decisions.recovery_times import restored_after
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.offerings.all_fits import fit_of
from spot_responder.offerings.fallback_tag import TAG, tag_value
from spot_responder.offerings.fits import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from spot_responder.decisions.pools import PoolGate
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.vms import VmId
    from spot_responder.offerings.fits import Finding, Fit
    from spot_responder.offerings.prices import Prices
    from spot_responder.offerings.skus import Sku
    from spot_responder.offerings.spot_cores import SpotCores
    from spot_responder.offerings.vm_shapes import VmShape

MOST_TIMES: Final = 2
"""A size with more than so many times the cores or the memory of the VM's own is not listed: it would cost too much."""

_ORDER: Final = (Verdict.FITS, Verdict.UNKNOWN)


@dataclass(frozen=True, slots=True)
class PoolRecord:
    """What the app saw of a pool; all ``None`` and 0 where it never started a VM there.

    ``closed_until``: the end of the pause after its latest refusal. ``restored``: how many recoveries ended with the VM
    running there, and ``refused``: how many met no capacity there, as far back as the history was read.
    """

    closed_until: datetime | None
    restored: int
    restored_at: datetime | None
    refused: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A size that the VM could become, or could for all that is known; prices in USD an hour."""

    size: str
    verdict: Verdict
    because: tuple[Finding, ...]
    cores: float | None
    memory_gb: float | None
    spot: float | None
    on_demand: float | None
    pool: PoolRecord


@dataclass(frozen=True, slots=True)
class SizesReport:
    """The sizes that compare with a VM's own: as many cores and as much memory, at most twice as much.

    ``left_out``: how many of these do not fit, by the first reason. ``unread``: the sources that did not answer.
    ``tag_command``: what names the first of those that fit in the VM's tag; "" where none fits.
    """

    at: datetime
    vm_id: VmId
    vm: VmShape
    spot: float | None
    cores: SpotCores | None
    pool: PoolRecord
    candidates: tuple[Candidate, ...]
    left_out: Mapping[str, int]
    tag_command: str
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Offered:
    """What Azure's lists say where the VM is, and what the app's tables say."""

    skus: Mapping[str, Sku] | None
    cores: SpotCores | None
    gates: Sequence[PoolGate]
    closed: Sequence[Recovery]
    unread: tuple[str, ...]


def comparable(vm: VmShape, skus: Mapping[str, Sku] | None) -> Sequence[Sku]:
    """Give the sizes with at least the cores and the memory of the VM's own, and not much more."""
    own = skus.get(vm.size.lower()) if skus else None
    if own is None or not skus:
        return []
    return [sku for sku in skus.values() if sku is not own and _is_like(sku, own)]


def may_fit(vm: VmShape, offered: Offered) -> Sequence[str]:
    """Name the sizes whose price is worth asking for."""
    likes = comparable(vm, offered.skus)
    return [sku.name for sku in likes if _fit(vm, sku, offered, None).verdict is not Verdict.UNFIT]


def sizes_report(vm_id: VmId, vm: VmShape, offered: Offered, prices: Mapping[str, Prices], at: datetime) -> SizesReport:
    """Compare. ``prices``: by size, the VM's own among them; a size without is not worth its price, or unknown."""
    compared = [_candidate(vm_id, vm, sku, offered, prices.get(sku.name)) for sku in comparable(vm, offered.skus)]
    out = [each for each in compared if each.verdict is Verdict.UNFIT]
    fitting = [each for each in compared if each.verdict is not Verdict.UNFIT]
    own = prices.get(vm.size)
    ranked = sorted(fitting, key=_rank)
    return SizesReport(
        at=at,
        vm_id=vm_id,
        vm=vm,
        spot=own.spot if own else None,
        cores=offered.cores,
        pool=_record(vm_id, vm, vm.size, offered),
        candidates=tuple(ranked),
        left_out=dict(Counter(str(each.because[0].aspect) for each in out).most_common()),
        tag_command=_tag_command(vm_id, [each.size for each in ranked if each.verdict is Verdict.FITS]),
        unread=offered.unread,
    )


def _tag_command(vm_id: VmId, sizes: Sequence[str]) -> str:
    if not sizes:
        return ""
    merge = ("az", "tag", "update", "--operation", "Merge", "--resource-id", vm_id)
    return shell_words(*merge, "--tags", f"{TAG}={tag_value(sizes)}")


def _is_like(sku: Sku, own: Sku) -> bool:
    return all(
        (amount := sku.number(what)) is not None
        and (least := own.number(what)) is not None
        and least <= amount <= MOST_TIMES * least
        for what in ("vCPUsAvailable", "MemoryGB")
    ) and (sku.number("GPUs") or 0) == (own.number("GPUs") or 0)


def _fit(vm: VmShape, sku: Sku, offered: Offered, spot: float | None) -> Fit:
    return fit_of(vm, sku.name, offered.skus, offered.cores, spot)


def _candidate(vm_id: VmId, vm: VmShape, sku: Sku, offered: Offered, prices: Prices | None) -> Candidate:
    spot, on_demand = (prices.spot, prices.on_demand) if prices else (None, None)
    fit = _fit(vm, sku, offered, spot)
    return Candidate(
        size=sku.name,
        verdict=fit.verdict,
        because=fit.because,
        cores=sku.number("vCPUsAvailable"),
        memory_gb=sku.number("MemoryGB"),
        spot=spot,
        on_demand=on_demand,
        pool=_record(vm_id, vm, sku.name, offered),
    )


def _rank(candidate: Candidate) -> tuple[int, bool, float, str]:
    """Rank what fits before what is unknown, then by price; an unknown price comes last, and is no low one."""
    return _ORDER.index(candidate.verdict), candidate.spot is None, candidate.spot or 0, candidate.size


def _record(vm_id: VmId, vm: VmShape, size: str, offered: Offered) -> PoolRecord:
    subscription, location = vm_id.subscription_id.lower(), vm.location.lower()
    pool_id = PoolId(subscription, location, (vm.zone or "").lower(), size.lower())
    gate = next((each for each in offered.gates if each.pool_id == pool_id), None)
    closed = [each for each in offered.closed if each.pool == pool_id]
    restored = [each.closed_at for each in closed if restored_after(each) is not None and each.closed_at]
    return PoolRecord(
        closed_until=gate.closed_until if gate else None,
        restored=len(restored),
        restored_at=max(restored, default=None),
        refused=_refused(closed),
    )


def _refused(closed: Iterable[Recovery]) -> int:
    return sum(FailureKind.CAPACITY in each.failures.by_kind for each in closed)
