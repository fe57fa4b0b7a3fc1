"""The sizes that a VM could become, and what is known of their pools. Pure; ``operators/sizes.py`` gathers it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.pools import PoolId
from spot_responder.offerings.all_fits import fit_of
from spot_responder.offerings.fallback_tag import TAG, tag_value
from spot_responder.offerings.fits import Verdict
from spot_responder.operators.views.offerings.pool_records import PoolRecord, pool_record
from spot_responder.operators.views.tag_typos import tag_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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

_ORDER: Final = (Verdict.FITS, Verdict.UNKNOWN, Verdict.UNFIT)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A size that the VM could become, or could for all that is known; prices in USD an hour.

    ``named``: whether the VM's tag names it. Such a size is told whether it fits or not.
    """

    size: str
    named: bool
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

    ``vm``: with its first size; ``size_now``: the one that the app has given it, ``""`` where it has its first one.
    ``left_out``: how many of these do not fit, by the first reason. ``unread``: the sources that did not answer.
    ``tag_command``: what names the first of those that fit in the VM's tag, of a known price and with nothing to note;
    "" where there is none.
    """

    at: datetime
    vm_id: VmId
    vm: VmShape
    size_now: str
    spot: float | None
    cores: SpotCores | None
    pool: PoolRecord
    candidates: tuple[Candidate, ...]
    left_out: Mapping[str, int]
    tag_command: str
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Offered:
    """What Azure's lists say where the VM is, and what the app's tables and the VM's tag say.

    ``rows``: the recoveries of the history, and those that are open. ``size_now``: as in ``SizesReport``.
    """

    skus: Mapping[str, Sku] | None
    cores: SpotCores | None
    gates: Sequence[PoolGate]
    rows: Sequence[Recovery]
    unread: tuple[str, ...]
    named: tuple[str, ...] = ()
    size_now: str = ""


def comparable(vm: VmShape, skus: Mapping[str, Sku] | None) -> Sequence[Sku]:
    """Give the sizes with at least the cores and the memory of the VM's own, and not much more."""
    own = skus.get(vm.size.lower()) if skus else None
    if own is None or not skus:
        return []
    return [sku for sku in skus.values() if sku is not own and _is_like(sku, own)]


def may_fit(vm: VmShape, offered: Offered) -> Sequence[str]:
    """Name the sizes whose price is worth asking for."""
    names = _compared(vm, offered)
    return [name for name in names if _fit(vm, name, offered, None).verdict is not Verdict.UNFIT]


def sizes_report(vm_id: VmId, vm: VmShape, offered: Offered, prices: Mapping[str, Prices], at: datetime) -> SizesReport:
    """Compare. ``prices``: by size, the VM's own among them; a size without is not worth its price, or unknown."""
    compared = [_candidate(vm_id, vm, name, offered, at, prices.get(name)) for name in _compared(vm, offered)]
    out = [each for each in compared if each.verdict is Verdict.UNFIT and not each.named]
    told = [each for each in compared if each.verdict is not Verdict.UNFIT or each.named]
    own = prices.get(vm.size)
    ranked = sorted(told, key=_rank)
    sure = [each.size for each in ranked if _is_without_doubt(each)]
    return SizesReport(
        at=at,
        vm_id=vm_id,
        vm=vm,
        size_now=offered.size_now,
        spot=own.spot if own else None,
        cores=offered.cores,
        pool=_record(vm_id, vm, vm.size, offered, at),
        candidates=tuple(ranked),
        left_out=dict(Counter(str(each.because[0].aspect) for each in out).most_common()),
        tag_command=tag_command(vm_id, TAG, tag_value(sure)) if sure else "",
        unread=offered.unread,
    )


def _compared(vm: VmShape, offered: Offered) -> Sequence[str]:
    """Name the sizes that compare with the VM's own, and those that its tag names, as Azure spells them."""
    skus = offered.skus or {}
    named = [skus[size.lower()].name if size.lower() in skus else size for size in offered.named]
    every = [*(sku.name for sku in comparable(vm, skus)), *named]
    return [name for name in dict.fromkeys(every) if name.lower() != vm.size.lower()]


def _is_without_doubt(candidate: Candidate) -> bool:
    """Whether it may stand in a tag that nobody looked at: what it lacks, or costs, its owner should decide on."""
    return candidate.verdict is Verdict.FITS and candidate.spot is not None and not candidate.because


def _is_like(sku: Sku, own: Sku) -> bool:
    return all(
        (amount := sku.number(what)) is not None
        and (least := own.number(what)) is not None
        and least <= amount <= MOST_TIMES * least
        for what in ("vCPUsAvailable", "MemoryGB")
    ) and (sku.number("GPUs") or 0) == (own.number("GPUs") or 0)


def _fit(vm: VmShape, name: str, offered: Offered, spot: float | None) -> Fit:
    return fit_of(vm, name, offered.skus, offered.cores, spot)


def _candidate(  # noqa: PLR0913, PLR0917 - all that is known of a size
    vm_id: VmId, vm: VmShape, name: str, offered: Offered, now: datetime, prices: Prices | None
) -> Candidate:
    spot, on_demand = (prices.spot, prices.on_demand) if prices else (None, None)
    fit, sku = _fit(vm, name, offered, spot), (offered.skus or {}).get(name.lower())
    return Candidate(
        size=name,
        named=name.lower() in {size.lower() for size in offered.named},
        verdict=fit.verdict,
        because=fit.because,
        cores=sku.number("vCPUsAvailable") if sku else None,
        memory_gb=sku.number("MemoryGB") if sku else None,
        spot=spot,
        on_demand=on_demand,
        pool=_record(vm_id, vm, name, offered, now),
    )


def _rank(candidate: Candidate) -> tuple[int, bool, float, str]:
    """Rank what fits before what is unknown, then by price; an unknown price comes last, and is no low one."""
    return _ORDER.index(candidate.verdict), candidate.spot is None, candidate.spot or 0, candidate.size


def _record(vm_id: VmId, vm: VmShape, size: str, offered: Offered, now: datetime) -> PoolRecord:
    place = vm_id.subscription_id.lower(), vm.location.lower(), (vm.zone or "").lower()
    return pool_record(PoolId(*place, size.lower()), offered.gates, offered.rows, now)
