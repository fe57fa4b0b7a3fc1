"""The evidence of a trial: a list for programs, payloads for fixtures, and a page for people. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from spot_responder.intake.payloads import text_field
from spot_responder.operators.views.json_form import json_form
from spot_responder.text import count, shortened
from spot_responder.trial.views.redaction import Redaction
from spot_responder.trial.views.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spot_responder.trial.views.observations import Answered, Observations
    from spot_responder.trial.views.verdicts import Found

_HEADERS: Final = ("retry-after", "location", "azure-asyncoperation", "date", "content-type")
_LONGEST: Final = 400
_OF_LOG: Final = ("resourceId", "operationName", "eventTimestamp", "status")
_LIMITS: Final = ("x-ms-ratelimit-", "x-ms-user-quota-")
_TOO_LARGE: Final = frozenset({"aliases", "topics", "quota", "query in a burst", "scale sets", "scale set"})
"""Answers about the whole subscription, or of many pages: their bodies are left out."""


def redaction_of(seen: Observations, known: tuple[str, ...]) -> Redaction:
    """Collect all that must not remain of what was seen, and what is known of the subscription."""
    redaction = Redaction()
    redaction.hide("known", known)
    for answers in seen.answers.values():
        for answer in answers:
            redaction.learn([answer.path, dict(answer.headers), answer.body])
    for arrived in seen.arrived:
        redaction.learn(arrived.event if arrived.event is not None else arrived.raw)
    redaction.learn([each.told for each in seen.heard])
    redaction.learn([each.vm for each in seen.fleet])
    return redaction


def belief_list(found: Mapping[str, Found], redaction: Redaction) -> list[dict[str, Any]]:
    """Give the verdicts, as programs read them."""
    return [
        {
            "belief": belief,
            "verdict": each.verdict.value,
            "seen_at": json_form(each.seen_at),
            "how": _how(each, redaction),
        }
        for belief, each in found.items()
    ]


def payloads(seen: Observations, redaction: Redaction) -> dict[str, Any]:
    """Give what was seen, redacted: answers by the name of their request, events, and the times of all."""
    return {
        "answers": {
            name: [_answer(name, answer, redaction) for answer in answers[:1] + answers[1:][-1:]]
            for name, answers in seen.answers.items()
        },
        "events": [
            {"arrived_at": json_form(each.at), "event": redaction.apply(each.event)}
            for each in seen.arrived
            if each.event is not None
        ],
        "fleet": [
            [
                json_form(each.at),
                redaction.apply(each.vm),
                str(each.state),
                each.annotation,
                json_form(each.annotated_at),
            ]
            for each in seen.fleet
        ],
        "inside": [redaction.apply(each.told) for each in seen.heard],
        "moments": {mark.name.lower(): json_form(at) for mark, at in seen.marks.items()},
        "power_states": [[json_form(each.at), str(each.state)] for each in seen.powers],
        "power_states_in_graph": [[json_form(each.at), str(each.state)] for each in seen.shown],
    }


def _answer(name: str, answer: Answered, redaction: Redaction) -> dict[str, Any]:
    headers = {
        key: redaction.apply(value)
        for key, value in answer.headers.items()
        if key in _HEADERS or key.startswith(_LIMITS)
    }
    return {
        "at": json_form(answer.at),
        "request": f"{answer.method} {redaction.apply(answer.path)}",
        "status": answer.status,
        "headers": headers,
        "body": "left out" if name in _TOO_LARGE and answer.is_good else redaction.apply(_judged(name, answer.body)),
    }


def _judged(name: str, body: object) -> object:
    """Give what judges need of a body: an activity log tells who did what, and with what request."""
    entries = body.get("value") if name == "activity log" and isinstance(body, dict) else None
    if not isinstance(entries, list):
        return body
    kept = []
    for each in entries:
        if isinstance(each, dict):
            told = {"statusMessage": text_field(each, "properties", "statusMessage")}
            kept.append({**{key: each[key] for key in _OF_LOG if key in each}, "properties": told})
    return {"value": kept}


def counts(found: Mapping[str, Found]) -> str:
    """Say how many beliefs hold, and how many do not."""
    number = Counter(each.verdict for each in found.values())
    return ", ".join(f"{verdict} {number[verdict]}" for verdict in Verdict)


def page(
    found: Mapping[str, Found], seen: Observations, redaction: Redaction, heading: str, notes: Sequence[str] = ()
) -> str:
    """Write the page that a person reads. ``notes``: what else is to be known of how it was seen."""
    lines = [f"# {heading}", "", f"{count(len(found), 'belief')}: {counts(found)}.", ""]
    lines += [line for note in notes for line in (f"{note}.", "")]
    for verdict in (Verdict.DOES_NOT_HOLD, Verdict.HOLDS, Verdict.NOT_SEEN):
        rows = [(belief, each) for belief, each in found.items() if each.verdict is verdict]
        if rows:
            lines += [f"## {verdict.value.capitalize()}", "", "| belief | seen at | how |", "|---|---|---|"]
            lines += [
                f"| {belief} | {json_form(each.seen_at) or '-'} | {_cell(each, redaction)} |" for belief, each in rows
            ]
            lines.append("")
    lines += ["## Moments", "", *(f"- {json_form(at)}: {mark.value}" for mark, at in seen.marks.items()), ""]
    lines += ["## Events", "", "| arrived at | type | what |", "|---|---|---|"]
    for each in seen.arrived:
        kind = str((each.event or {}).get("type") or (each.event or {}).get("eventType"))
        told = each.annotation or each.availability or each.operation
        lines.append(f"| {json_form(each.at)} | {redaction.apply(kind)} | {redaction.apply(told)} |")
    return "\n".join(lines) + "\n"


def clock_told(ahead: timedelta | None) -> str:
    """Say by whose time a trial went."""
    if ahead is None:
        return (
            "Azure told no time, so times are by this computer's clock. If that is off, verdicts that compare its "
            "times with those of Azure's events and of the VM may be wrong"
        )
    off = round(abs(ahead.total_seconds()), 1)
    if not off:
        return "Times are Azure's; the clock of this computer agrees with them to a second"
    return f"Times are Azure's; the clock of this computer is {off} s {'behind' if ahead > timedelta() else 'ahead'}"


def _how(each: Found, redaction: Redaction) -> str:
    """Give how a verdict was come by: redacted whole, and cut only then, for half a name is not found any more."""
    # Where nothing was seen, the words are our own.
    return shortened(each.how if each.is_ours else str(redaction.apply(each.how)), _LONGEST)


def _cell(each: Found, redaction: Redaction) -> str:
    return _how(each, redaction).replace("|", "\\|").replace("\n", " ")
