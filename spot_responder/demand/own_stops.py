"""Which stops of a VM that serves a work queue are its own, and none of its owner's. Pure.

Azure tells of both alike, except that an ARM event may name the VM's own identity. The VM's worker writes into the
table ``workers`` before it stops its VM. So a stop right after that was its own; and one from before it is over, for
the VM ran again. Asked by ``standings.py`` for what a row keeps, and by ``responder/work/of_vm.py`` for what a signal
says.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.evidence import OWN_STOP_TAKES
from spot_responder.demand.looks import believed
from spot_responder.intake.payloads import plain_guid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from spot_responder.decisions.evidence import Evidence
    from spot_responder.demand.looks import Word
    from spot_responder.intake.vms import Vm

GRAPH_IS_BEHIND: Final = timedelta(minutes=3)
"""How old what Resource Graph shows may be: a VM that it shows as running may have been stopped meanwhile."""

CLOCKS_DIFFER: Final = timedelta(minutes=2)
"""How far the VM's clock may be ahead of Azure's."""


def own_stops_said(vm: Vm, words: Iterable[Word], now: datetime) -> tuple[datetime, ...]:
    """Give when the VM's workers wrote that they would stop it."""
    name = vm.vm_id.name.lower()
    return tuple(word.at for word in believed(words, now) if word.stops_vm and word.vm_name.lower() == name)


def is_own(stopped_at: datetime | None, own_stops: Collection[datetime]) -> bool:
    """Whether a stop came when the VM's worker was about to stop its VM, or soon after it wrote so."""
    if stopped_at is None:
        return False
    return any(-CLOCKS_DIFFER <= stopped_at - said_at <= OWN_STOP_TAKES for said_at in own_stops)


def unseen_own_stop(
    said: Collection[datetime], told_at: datetime | None, seen: Collection[datetime], looked_at: datetime | None
) -> datetime | None:
    """Give when the VM began to stop itself, if the latest look at its queue, at ``looked_at``, had not seen that.

    ``said``: what its workers wrote, ``seen``: what of that a look saw; these are of the VM's clock and are not held
    against another one. ``told_at``: the time of Azure's event of it, which counts where no worker wrote.
    """
    unseen = [at for at in said if not seen or at > max(seen)]
    if unseen:
        return max(unseen)
    if told_at is None or looked_at is None or told_at <= looked_at or is_own(told_at, seen):
        return None
    return told_at


def identity_of(vm: Vm) -> str | None:
    """Give the VM's own identity, as signals write callers; ``None`` where it is not known."""
    return plain_guid(vm.principal_id) if vm.principal_id else None


def without_own_stops(
    evidence: Evidence, own_stops: Collection[datetime], ran_at: datetime | None, identity: str | None = None
) -> Evidence:
    """Drop the stops that were the VM's own, or are over since it stopped itself later.

    A row may keep either: of an event that came while the VM could not be seen, or of an owner's start that no event
    told of. A stop that names a caller is the VM's own if that is its ``identity``, and only then. What a worker
    writes does not suffice to end an owner's stop, for other VMs may write there: a look must have seen the VM run
    since (``ran_at``).
    """
    if is_own(evidence.stopped_weakly_at, own_stops):
        evidence = evidence.without_stop(evidence.stopped_weakly_at)
    if identity and evidence.stopped_by == identity and evidence.stopped_firmly_at is not None:
        evidence = after_its_own_stop(evidence, evidence.stopped_firmly_at)
    for stopped_at in (evidence.stopped_firmly_at, evidence.stopped_weakly_at):
        if stopped_at is not None and _is_over(stopped_at, own_stops, ran_at):
            evidence = evidence.without_stop(stopped_at)
    return evidence


def after_its_own_stop(evidence: Evidence, at: datetime) -> Evidence:
    """Leave out a stop for which Azure names the VM itself as the caller, and note that it was so."""
    return evidence.without_stop(at).with_own_stop(at)


def _is_over(stopped_at: datetime, own_stops: Collection[datetime], ran_at: datetime | None) -> bool:
    later = stopped_at + CLOCKS_DIFFER
    is_seen = ran_at is not None and ran_at - GRAPH_IS_BEHIND > stopped_at
    return is_seen and any(said_at > later for said_at in own_stops)
