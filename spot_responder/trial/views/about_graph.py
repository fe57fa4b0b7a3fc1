"""Judges the beliefs about Resource Graph (G1 to G11, C2, C19, C20, R6). Pure; ``checks.py`` has the table."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import moment, text_field
from spot_responder.intake.vms import SHOWN_COLUMNS, PowerState
from spot_responder.trial.views.observations import Mark
from spot_responder.trial.views.verdicts import Found, fails, holds, of, unseen

if TYPE_CHECKING:
    from spot_responder.trial.views.observations import Answered, Observations

_PRIORITIES: Final = frozenset({"spot", "low", "spotplus", "regular", ""})
_QUERIES: Final = 15
_BAD_REQUEST: Final = 400
_NO_TOKEN: Final = 401
_THROTTLED: Final = 429
_WITHIN: Final = timedelta(minutes=15)
_SOON: Final = timedelta(minutes=10)
_LOOKS: Final = 3
"""Fewer answers without the VM do not tell that it stays unknown."""


def is_taken(seen: Observations) -> Found:
    """G1: Resource Graph takes ``confirm.kql``."""
    return _taken(seen.last("confirm.kql"), "confirm.kql")


def takes_a_hundred(seen: Observations) -> Found:
    """G2: 100 ids, each twice, fit into one query."""
    return _taken(seen.last("confirm.kql of 100"), "100 ids, each twice")


def follows_eviction(seen: Observations) -> Found:
    """G3: the graph follows an eviction within minutes."""
    evicted_at = seen.marks.get(Mark.EVICTED)
    if evicted_at is None:
        return unseen("no eviction was seen")
    if not seen.shown:
        return unseen("Resource Graph was not asked")
    since = seen.marks[Mark.EVICTION]
    before = seen.marks.get(Mark.STARTED)
    samples = [each for each in seen.shown if each.at >= since and (before is None or each.at <= before)]
    down = next((each for each in samples if each.state is PowerState.DEALLOCATED), None)
    if down is None:
        if all(each.state is None for each in seen.shown):
            return unseen("Resource Graph never showed the VM")
        waited = samples[-1].at - evicted_at if samples else timedelta()
        if waited <= timedelta():
            return unseen("Resource Graph was not asked after ARM showed the VM as deallocated")
        return fails(f"not shown as deallocated within {waited.total_seconds():.0f} s", evicted_at)
    after = down.at - evicted_at
    told = f"shown as deallocated {max(after.total_seconds(), 0):.0f} s after ARM"
    return (holds if after <= _WITHIN else fails)(told, down.at)


def names_the_annotation(seen: Observations) -> Found:
    """G4: the fields of an annotation's row."""
    answer = seen.last("annotations after the eviction")
    if answer is None or not answer.is_good or not answer.rows:
        return unseen("Resource Graph showed no annotation of the VM")
    row = answer.rows[0]
    read = {
        name: text_field(row, "properties", name) for name in ("targetResourceId", "annotationName", "occurredTime")
    }
    missing = [name for name, value in read.items() if not value]
    if missing:
        return fails(f"a row without {', '.join(missing)}", answer.at)
    right = read["targetResourceId"].lower() == seen.vm_id.lower() and moment(read["occurredTime"]) is not None
    return of(answer, f"{read['annotationName']}, with VM and time", right=right)


def shows_restore_policy(seen: Observations) -> Found:
    """G5: a scale set's policy is at ``properties.spotRestorePolicy.enabled``."""
    listed, sets = seen.last("scale sets"), seen.answers.get("scale set", [])
    with_policy = [each for each in sets if each.is_good and _policy(each.body)]
    if listed is None or not listed.is_good or not with_policy:
        return unseen("the subscription has no scale set with a restore policy")
    shown = {text_field(row, "id").lower() for row in listed.rows if _policy(row)}
    missing = [each for each in with_policy if each.path.lower() not in shown]
    told = f"of {len(with_policy)} sets with a policy, Resource Graph shows that of {len(with_policy) - len(missing)}"
    return of(listed, told, right=not missing)


def knows_new_vms(seen: Observations) -> Found:
    """G6: a VM that the graph does not know is new; so it is known soon after it was created."""
    created_at = seen.marks.get(Mark.CREATED)
    known = next((each for each in seen.shown if each.state is not None), None)
    if created_at is None or not seen.shown:
        return unseen("no VM was created, or Resource Graph was not asked")
    if known is None and not any(each.state is not None for each in seen.powers):
        return unseen("ARM did not show the VM either")
    if known is None and len(seen.shown) < _LOOKS:
        return unseen("Resource Graph was not asked for long enough")
    if known is None:
        return fails(
            f"not known {(seen.shown[-1].at - created_at).total_seconds():.0f} s after its creation", created_at
        )
    after = known.at - created_at
    return (holds if after <= _SOON else fails)(f"known {after.total_seconds():.0f} s after its creation", known.at)


def finds_any_casing(seen: Observations) -> Found:
    """G7: ``sweep.kql`` finds a tag in any casing."""
    answer = seen.last("sweep.kql")
    if answer is None or not answer.is_good:
        return unseen(f"sweep.kql: {answer.told() if answer else 'not asked'}")
    if not any(each.state is PowerState.DEALLOCATED and each.at <= answer.at for each in seen.shown):
        return unseen("Resource Graph did not show the VM as deallocated in time")
    found = any(text_field(row, "id").lower() == seen.vm_id.lower() for row in answer.rows)
    return of(answer, f"the VM with the tag in another casing was {'' if found else 'not '}found", right=found)


def compares_ids(seen: Observations) -> Found:
    """G8: ``in~`` compares ids without regard to case."""
    answer = seen.last("id in another casing")
    if answer is None or not answer.is_good:
        return unseen("not asked, or no answer")
    if not any(each.state is not None for each in seen.shown):
        return unseen("Resource Graph did not know the VM yet")
    return of(answer, f"an id in upper case found {len(answer.rows)} VMs", right=len(answer.rows) == 1)


def has_quota(seen: Observations) -> Found:
    """G9: 15 queries in 5 seconds, and headers that say what is left."""
    asked = seen.answers.get("query in a burst", [])
    answers = [each for each in asked if each.is_good or each.status == _THROTTLED]
    if not answers:
        return unseen(f"no answer that counts: {asked[-1].told()}" if asked else "not asked")
    told = [each for each in answers if "x-ms-user-quota-remaining" in each.headers]
    if not told:
        return fails("no header says what is left", answers[-1].at)
    left = [int(each.headers["x-ms-user-quota-remaining"]) for each in told]
    refused = [each for each in answers if each.status == _THROTTLED]
    resets = [each.headers.get("x-ms-user-quota-resets-after", "") for each in told]
    text = f"remaining {max(left)} to {min(left)} in {len(answers)} queries, {len(refused)} of them refused"
    right = max(left) < _QUERIES and all(resets)
    # Too many requests are an answer here.
    return (holds if right else fails)(f"{text}; resets after {resets[-1] or 'not told'}", answers[-1].at)


def has_columns(seen: Observations) -> Found:
    """G11: the query gives what it gives on the laptop: these columns, and the VM's row."""
    answer = seen.last("confirm.kql")
    if answer is None or not answer.is_good or not answer.rows:
        return unseen("confirm.kql gave no row")
    row = answer.rows[0]
    odd = set(SHOWN_COLUMNS) ^ set(row)
    same = text_field(row, "id").lower() == seen.vm_id.lower() and text_field(row, "priority").lower() == "spot"
    return of(answer, f"columns that differ: {', '.join(sorted(odd)) or 'none'}", right=not odd and same)


def knows_priorities(seen: Observations) -> Found:
    """C2: the words for a VM's priority."""
    answer = seen.last("priorities")
    if answer is None or not answer.is_good or not answer.rows:
        return unseen("Resource Graph showed no VM")
    words = {text_field(row, "priority") for row in answer.rows}
    odd = sorted(word for word in words if word.lower() not in _PRIORITIES)
    return of(answer, f"seen: {', '.join(sorted(word or 'none' for word in words))}", right=not odd)


def has_flexible_instances(seen: Observations) -> Found:
    """C19: instances of Flexible scale sets are VMs, those of Uniform sets are not."""
    answer = seen.last("instances of scale sets")
    if answer is None or not answer.is_good or not answer.rows:
        return unseen("no VM of the subscription belongs to a scale set")
    modes = {text_field(row, "mode").lower() for row in answer.rows}
    if not modes & {"flexible", "uniform"}:
        return unseen("Resource Graph showed no mode of the scale sets that VMs belong to")
    told = ", ".join(sorted(mode or "unknown" for mode in modes))
    return of(answer, f"VMs belong to scale sets in mode {told}", right="uniform" not in modes)


def has_fleets(seen: Observations) -> Found:
    """C20: a Compute Fleet restores its own VMs."""
    answer = seen.last("fleets")
    if answer is None or not answer.is_good or not answer.rows:
        return unseen("the subscription has no Compute Fleet")
    told = [row["maintain"] for row in answer.rows if row.get("maintain") is not None]
    how = f"{len(told)} of {len(answer.rows)} fleets say whether they maintain; {told.count(True)} do"
    return of(answer, how, right=bool(told)) if True in told or not told else unseen(how)


def takes_the_token(seen: Observations) -> Found:
    """R6: one token is accepted by ARM and by Resource Graph."""
    arm, graph = seen.last("subscription"), seen.last("priorities")
    if arm is None or graph is None:
        return unseen("not asked")
    told = f"ARM: {arm.told()}; Resource Graph: {graph.told()}"
    denied = any(each.status == _NO_TOKEN for each in (arm, graph))
    if denied:
        return fails(told, arm.at)
    return holds(told, graph.at) if arm.is_good and graph.is_good else unseen(told)


def _taken(answer: Answered | None, what: str) -> Found:
    if answer is None:
        return unseen("not asked")
    if answer.is_good or answer.status == _BAD_REQUEST:
        return of(answer, f"{what}: {answer.told()}", right=answer.is_good)
    return unseen(f"{what}: {answer.told()}")


def _policy(body: object) -> bool:
    within = body if isinstance(body, dict) else {}
    properties = within.get("properties")
    policy = properties.get("spotRestorePolicy") if isinstance(properties, dict) else None
    return isinstance(policy, dict) and policy.get("enabled") is not None
