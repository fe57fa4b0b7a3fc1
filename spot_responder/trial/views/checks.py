"""Each belief of docs/azure-assumptions.md with its check, or with why it has none. Pure.

``tests/trial/test_checks.py`` holds page and table together. ``about_*.py`` have the judges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.trial.views import about_compute as compute
from spot_responder.trial.views import about_events as events
from spot_responder.trial.views import about_graph as graph
from spot_responder.trial.views import about_inside as inside
from spot_responder.trial.views import about_offerings as offered
from spot_responder.trial.views import about_sizes as sizes
from spot_responder.trial.views import about_storage as storage
from spot_responder.trial.views.unchecked import UNCHECKED
from spot_responder.trial.views.verdicts import Check, Found, Step, Verdict, unseen

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from spot_responder.trial.views.observations import Observations

_READ: Final = (Step.READ,)
_WITNESS: Final = (Step.WITNESS,)
_STORAGE: Final = (Step.STORAGE,)
_MACHINE: Final = (Step.MACHINE,)
_EVICTED: Final = (Step.EVICTION,)
_EVICTION_TOLD: Final = (Step.WITNESS, Step.EVICTION)
_STOP_TOLD: Final = (Step.WITNESS, Step.STOP)
_REFUSED: Final = (Step.REFUSALS,)
_OFFERED: Final = (Step.OFFERINGS,)
_SIZED: Final = (Step.OFFERINGS, Step.MACHINE)
_RESIZED: Final = (Step.OFFERINGS, Step.EVICTION)
_PRICED: Final = (Step.OFFERINGS, Step.REFUSALS)

CHECKS: Final = (
    Check("E1", _EVICTION_TOLD, events.is_annotated),
    Check("E2", _EVICTION_TOLD, events.is_told_at_once),
    Check("E3", _EVICTION_TOLD, events.is_unavailable),
    Check("E4", _EVICTION_TOLD, events.has_no_owners_annotation),
    Check("E5", _EVICTION_TOLD, events.has_no_deallocate_event),
    Check("E7", _EVICTION_TOLD, events.has_evict_operation),
    Check("E8", _EVICTED, events.is_simulated),
    Check("E10", _STOP_TOLD, events.tells_owners_stop),
    Check("E11", _STOP_TOLD, events.tells_at_the_end),
    Check("E12", _EVICTED, events.has_one_annotation),
    Check("E14", _WITNESS, events.allows_one_topic),
    Check("E15", _STOP_TOLD, events.writes_cloud_events),
    Check("E16", _STOP_TOLD, events.is_read),
    Check("E17", _EVICTED, inside.is_soon_shown_by_arm),
    Check("Q1", _STOP_TOLD, events.is_base64),
    Check("Q2", _STORAGE, storage.comes_back),
    Check("Q14", _WITNESS, events.checks_rights_first),
    Check("Q15", _WITNESS, events.rights_take_minutes),
    Check("G1", _EVICTED, graph.is_taken),
    Check("G2", _EVICTED, graph.takes_a_hundred),
    Check("G3", _EVICTED, graph.follows_eviction),
    Check("G4", _EVICTED, graph.names_the_annotation),
    Check("G5", _READ, graph.shows_restore_policy),
    Check("G6", _MACHINE, graph.knows_new_vms),
    Check("G7", _EVICTED, graph.finds_any_casing),
    Check("G8", _EVICTED, graph.compares_ids),
    Check("G9", (Step.QUOTA,), graph.has_quota),
    Check("G11", _EVICTED, graph.has_columns),
    Check("C1", _MACHINE, compute.shows_this_moment),
    Check("C2", _READ, graph.knows_priorities),
    Check("C3", (Step.EVICTION, Step.STOP), events.shows_deallocated),
    Check("C4", _REFUSED, compute.fails_to_deallocated),
    Check("C5", _STOP_TOLD, compute.misses_power_state),
    Check("C7", _EVICTED, compute.starts_with_operation),
    Check("C8", _EVICTED, compute.retries_after_ten),
    Check("C9", _MACHINE, compute.bears_start_of_running),
    Check("C10", _REFUSED, compute.knows_codes),
    Check("C12", (Step.STOP,), compute.reads_conflict),
    Check("C16", _EVICTED, compute.starts_in_time),
    Check("C17", _EVICTED, compute.counts_as_documented),
    Check("C18", _MACHINE, compute.has_one_tag),
    Check("C19", _READ, graph.has_flexible_instances),
    Check("C20", _READ, graph.has_fleets),
    Check("C23", _MACHINE, compute.says_gone),
    Check("C26", _MACHINE, compute.is_found),
    Check("C27", _EVICTED, compute.polls_location),
    Check("C29", _MACHINE, compute.names_what_is_gone),
    Check("R5", _REFUSED, compute.is_locked),
    Check("R6", _READ, graph.takes_the_token),
    Check("R7", _READ, compute.has_aliases),
    Check("R8", _MACHINE, compute.refuses_nobody),
    Check("V1", _EVICTED, inside.names_this_vm),
    Check("V2", _MACHINE, inside.answers_in_two_minutes),
    Check("V3", _MACHINE, inside.refuses_unknown_versions),
    Check("V4", _EVICTED, inside.gives_thirty_seconds),
    Check("V5", _EVICTED, inside.stays_shown),
    Check("V6", _EVICTED, inside.takes_one_a_second),
    Check("V7", _EVICTED, inside.comes_at_not_before),
    Check("V10", _EVICTED, inside.sees_no_shutdown),
    Check("V11", _EVICTED, inside.has_new_boot_id),
    Check("V13", _MACHINE, inside.has_right_clock),
    Check("V14", _MACHINE, inside.has_no_load_balancer),
    Check("V16", _MACHINE, inside.gives_a_token),
    Check("V17", _MACHINE, inside.prints_to_serial_log),
    Check("P1", _OFFERED, offered.has_one_product),
    Check("P2", _PRICED, offered.charges_the_newest),
    Check("P3", _PRICED, offered.is_azures_price),
    Check("P4", _OFFERED, offered.is_in_dollars),
    Check("P5", _OFFERED, offered.ends_without_link),
    Check("P6", _SIZED, offered.spells_sizes_alike),
    Check("S1", _SIZED, offered.may_be_asked_for),
    Check("S8", _RESIZED, sizes.keeps_what_it_is),
    Check("S9", _EVICTED, sizes.has_new_etag),
    Check("S12", _RESIZED, sizes.keeps_annotation),
    Check("W1", _STORAGE, storage.is_hidden),
    Check("W2", _STORAGE, storage.is_shown_at_once),
    Check("W3", _STORAGE, storage.tells_loss),
    Check("W4", _STORAGE, storage.deletes_late),
    Check("W8", _STORAGE, storage.has_one_winner),
    Check("W10", _STORAGE, storage.refuses_damage),
    Check("W11", _STORAGE, storage.counts_hidden),
)

BELIEFS: Final = frozenset(each.belief for each in CHECKS) | frozenset(each.belief for each in UNCHECKED)


def steps_for(beliefs: frozenset[str]) -> tuple[Step, ...]:
    """Give the steps that these beliefs need, in order; of all beliefs where none is named."""
    wanted = {step for each in CHECKS if not beliefs or each.belief in beliefs for step in each.steps}
    return tuple(step for step in Step if step in wanted | {below for each in wanted for below in each.rests_on})


def judged(
    seen: Observations,
    beliefs: frozenset[str],
    failed: Iterable[tuple[Step, str]] = (),
    cut_off: Collection[Step] = (),
) -> dict[str, Found]:
    """Give the verdict of each belief, or of those that were asked for.

    ``failed``: the steps that could not be done, and why: what rests on them was not seen, whatever else was.
    ``cut_off``: those that Ctrl-C ended, or kept from being begun: what rests on them stays open, since what was not
    seen might have come; what was seen is told.
    """
    broken = dict(failed)
    found: dict[str, Found] = {}
    for check in CHECKS:
        why = next((broken[step] for step in check.steps if step in broken), None)
        cut = next((step for step in check.steps if step in cut_off), None)
        verdict = _verdict(check, seen)
        if why is not None and verdict.seen_at is None:
            verdict = unseen(f"{verdict.how}; {why}")
        elif cut is not None and why is None:
            verdict = unseen(f"step {cut} was interrupted; until then: {verdict.how}")
        found[check.belief] = verdict
    found |= {
        each.belief: Found(Verdict.NOT_SEEN, f"{each.why.value}: {each.instead}", is_ours=True) for each in UNCHECKED
    }
    return {belief: found[belief] for belief in sorted(found, key=_order) if not beliefs or belief in beliefs}


def _verdict(check: Check, seen: Observations) -> Found:
    """Judge; an answer that is not formed as Azure's are leaves its belief open, and no other."""
    try:
        return check.judge(seen)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        return unseen(f"what was answered cannot be judged: {error!r}")


def _order(belief: str) -> tuple[int, int]:
    return "EQGCRVPWSN".index(belief[0]), int(belief[1:])
