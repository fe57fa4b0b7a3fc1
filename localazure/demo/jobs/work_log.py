"""Reads what workers log, as JSON lines among all that their VMs print. Pure.

``scenario.py`` makes of it what ``picture.py`` draws; ``timeline.py`` tells of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from localazure.demo.jobs.work import Claim, ClaimEnd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TOLD: Final = ("job_id", "why", "reason", "error", "notice", "said")
"""What of a line without words of its own is told."""

_LAST_WORDS_S: Final = 0.5
"""What a VM said in the moment when it lost its power may be read so much later. It claims nothing new by then."""

_ENDS: Final = {"finished": ClaimEnd.FINISHED, "gave back": ClaimEnd.GIVEN_BACK, "lost": ClaimEnd.CUT_OFF}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a worker's log. ``at_s``: seconds since the beginning."""

    at_s: float
    vm: str
    event: str
    fields: Mapping[str, Any] = field(hash=False)

    @property
    def job(self) -> str:
        """The id of the job that it is about, or ""."""
        return str(self.fields.get("job_id", ""))


def read_line(at_s: float, vm: str, text: str) -> Line | None:
    """Read a line that a VM printed; ``None`` where it is no worker's."""
    if not text.startswith("{"):
        return None
    try:
        fields = json.loads(text)
    except ValueError:
        return None
    event = fields.get("event")
    return Line(at_s, vm, event, fields) if isinstance(event, str) else None


def in_words(line: Line, *, tells_each: bool) -> str:
    """Say for the timeline what a worker did; "" for checkpoints and, if it tells not each job, where all goes well."""
    name, fields = f"job {line.job[:8]}", line.fields
    match line.event:
        case "saved" | "ended" | "notices":
            return ""
        case "claimed" if fields.get("attempt") == 1:
            return f"worker: claimed {name}" if tells_each else ""
        case "finished":
            return f"worker: finished {name}" if tells_each else ""
        case "claimed":
            return f"worker: claimed {name}, attempt {fields.get('attempt')}: it goes on where it was saved"
        case "gave back":
            return f"worker: gave back {name}: {fields.get('how')}"
        case "stopping":
            why = fields.get("notice") or fields.get("signal") or fields.get("why")
            return f"worker: claims nothing any more: {why}"
        case event:
            told = [str(value) for key, value in fields.items() if key in _TOLD]
            return f"worker: {': '.join([event, *told])}"


def read_claims(lines: Iterable[Line], gone: Mapping[str, Iterable[float]], ended_s: float) -> tuple[Claim, ...]:
    """Put the lines of each claim together. ``gone``: when each VM lost its power; that ends what it has claimed."""
    moments = [(line.at_s, line) for line in lines]
    moments += [(at_s + _LAST_WORDS_S, Line(at_s, vm, "power off", {})) for vm, times in gone.items() for at_s in times]
    claims: list[Claim] = []
    open_lines: dict[tuple[str, str], list[Line]] = {}
    for _, line in sorted(moments, key=lambda moment: moment[0]):
        key = line.vm, line.job
        if line.event == "claimed":
            open_lines[key] = [line]
        elif line.event in {"stopping", "power off"}:
            for one in [one for one in open_lines if one[0] == line.vm]:
                open_lines[one].append(line)
                if line.event == "power off":
                    claims.append(_claim(open_lines.pop(one), line.at_s, ClaimEnd.CUT_OFF))
        elif key in open_lines and line.event in _ENDS:
            claims.append(_claim(open_lines.pop(key), line.at_s, _ENDS[line.event]))
        elif key in open_lines:
            open_lines[key].append(line)
    claims += [_claim(rest, ended_s, ClaimEnd.OPEN) for rest in open_lines.values()]
    return tuple(claims)


def _claim(lines: list[Line], ended_s: float, end: ClaimEnd) -> Claim:
    first = lines[0]
    return Claim(
        vm=first.vm,
        slot=int(first.fields.get("slot", 0)),
        job=first.job,
        attempt=int(first.fields.get("attempt", 1)),
        began_s=first.at_s,
        ended_s=ended_s,
        end=end,
        saved_s=tuple(min(line.at_s, ended_s) for line in lines if line.event == "saved"),
        told_s=next((line.at_s for line in lines if line.event == "stopping"), None),
    )


def finished(lines: Iterable[Line]) -> set[str]:
    """Give the jobs that have their result."""
    return {line.job for line in lines if line.event == "finished"}
