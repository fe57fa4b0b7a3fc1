"""Judges the beliefs about a change of a VM's size (S8, S9, S12). Pure; ``checks.py`` has the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import field, text_field
from spot_responder.trial.views.verdicts import of, unseen

if TYPE_CHECKING:
    from spot_responder.trial.views.observations import Observations
    from spot_responder.trial.views.verdicts import Found

CHANGE: Final = "change of size"
OWN_SIZE: Final = "own size again"
_CONDITION_NOT_MET: Final = 412


def keeps_what_it_is(seen: Observations) -> Found:
    """S8: a deallocated Spot VM of another size stays deallocated, Spot, and with its policy and max price."""
    before, after = seen.last("VM before the change of size"), seen.last("VM of another size")
    if before is None or after is None or not (before.is_good and after.is_good):
        return _not_changed(seen)
    was, now = _kept(before.body), _kept(after.body)
    differs = [name for name, value in was.items() if now[name] != value]
    size = text_field(after.body, "properties", "hardwareProfile", "vmSize")
    if not (size and all(was.values()) and now["power state"]):
        return unseen("the VM before the change, or its size after it, was not shown whole")
    return of(after, f"with {size}, different: {', '.join(differs) or 'nothing'}", right=not differs)


def has_new_etag(seen: Observations) -> Found:
    """S9: a start changes the VM's ETag, and ``If-Match`` with the old one is answered 412."""
    answer = seen.last("change with the old ETag")
    if answer is None:
        return unseen(seen.missed.get("change with the old ETag", "the VM was not started again"))
    if answer.was_refused and answer.status != _CONDITION_NOT_MET:
        return unseen(f"refused for another reason: {answer.told()}")
    return of(answer, f"with the ETag of before the start: {answer.told()}", right=answer.status == _CONDITION_NOT_MET)


def keeps_annotation(seen: Observations) -> Found:
    """S12: a change of size removes no health annotation."""
    before, after = seen.last("annotations after the eviction"), seen.last("annotations after the change of size")
    if before is None or after is None or not (before.rows and after.is_good):
        return _not_changed(seen)
    was, now = ([text_field(row, "properties", "annotationName") for row in each.rows] for each in (before, after))
    lost = [name for name in was if name not in now]
    return of(after, f"before: {', '.join(was)}; after: {', '.join(now) or 'none'}", right=not lost)


def _kept(body: object) -> dict[str, object]:
    statuses = field(body, "properties", "instanceView", "statuses")
    codes = [text_field(each, "code") for each in statuses] if isinstance(statuses, list) else []
    return {
        "power state": [code.lower() for code in codes if code.lower().startswith("powerstate/")],
        "priority": text_field(body, "properties", "priority"),
        "eviction policy": text_field(body, "properties", "evictionPolicy"),
        "max price": field(body, "properties", "billingProfile", "maxPrice"),
    }


def _not_changed(seen: Observations) -> Found:
    return unseen(seen.missed.get(CHANGE, "no size was changed, or Resource Graph showed no annotation"))
