"""The picture of the demo's jobs: who worked on what, when VMs were away, and how jobs went on elsewhere. Pure.

An SVG that needs nothing from elsewhere; light or dark as the reader's screen is. Called by ``demo.py``.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from localazure.demo.jobs.work import ClaimEnd

if TYPE_CHECKING:
    from localazure.demo.jobs.work import Away, Claim, Work

_WIDTH: Final = 1200
_LEFT: Final = 92
_RIGHT: Final = 28
_TOP: Final = 118
_BAR: Final = 26
_LANE: Final = 32
_BAND_GAP: Final = 44
"""Between the VMs, with room for what is written above an eviction."""
_CURVE: Final = 84
_LABEL_FITS: Final = 20
_MOST_TICKS: Final = 12
_STEPS_S: Final = (1, 2, 5, 10, 30, 60, 600)
_SAMPLE: Final = 54
_LETTER: Final = 6.4
"""How much room a sample of the legend takes, and a letter of what it means."""

_STYLE: Final = """
svg { color-scheme: light dark; --ink: #1b2733; --soft: #5b6b7a; --line: #d9e0e6; --paper: #fbfcfd; --lane: #eef2f5;
  --done: #3d6f9e; --resumed: #17724a; --back: #b97700; --cut: #b3261e; --notice: #f3d9a4; --away: #c3ccd4;
  --on-bar: #ffffff; font: 13px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { svg { --ink: #e3e9ef; --soft: #9aa8b5; --line: #2d3945; --paper: #12181e;
  --lane: #19212a; --done: #5b93c9; --resumed: #3fae80; --back: #e0b154; --cut: #ff8a80; --notice: #5a4719;
  --away: #46535f; --on-bar: #0c1116; } }
text { fill: var(--ink); } .soft { fill: var(--soft); } .title { font-size: 21px; font-weight: 650; }
.vm { font-weight: 650; font-size: 14px; } .small { font-size: 12px; } .paper { fill: var(--paper); }
.lane { fill: var(--lane); } .grid { stroke: var(--line); } .bar text { fill: var(--on-bar); font-size: 12px; }
.finished rect { fill: var(--done); } .resumed rect { fill: var(--resumed); } .under-way rect { fill: var(--soft); }
.given-back rect { fill: var(--back); } .cut-off rect { fill: var(--cut); } rect.lost { fill: url(#lost) !important; }
.saved { stroke: var(--on-bar); stroke-width: 1.5; opacity: .75; } .notice { fill: var(--notice); }
.away { fill: url(#away); } .end { stroke: var(--cut); stroke-width: 2.5; }
.evicted { fill: var(--cut); paint-order: stroke; stroke: var(--paper); stroke-width: 5px; stroke-linejoin: round; }
.handover { fill: none; stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 3 3; } .arrow { fill: var(--soft); }
.curve { fill: none; stroke: var(--done); stroke-width: 2.5; } .under { fill: var(--done); opacity: .14; }
"""
_PATTERNS: Final = """<defs>
<pattern id="away" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="3" height="8" style="fill: var(--away)"/></pattern>
<pattern id="lost" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">
<rect width="3" height="6" style="fill: var(--paper); opacity: .75"/></pattern>
<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path class="arrow" d="M0 0 L8 4 L0 8 z"/></marker></defs>"""


def picture(work: Work, headline: str, below: str) -> str:
    """Draw it, with a headline and what is to be said below that."""
    return _Drawing(work).draw(headline, below)


class _Drawing:
    """Where things are in the picture."""

    def __init__(self, work: Work) -> None:
        self._work = work
        # Before the first claim there is nothing to see.
        self._from_s = max(0, int(min((claim.began_s for claim in work.claims), default=0.0)) - 1)
        self._slots = {vm: sorted({claim.slot for claim in work.claims if claim.vm == vm}) or [0] for vm in work.vms}
        self._tops: dict[str, float] = {}
        top = float(_TOP + _BAND_GAP)
        for vm in work.vms:
            self._tops[vm] = top
            top += len(self._slots[vm]) * _LANE + _BAND_GAP
        self._curve_top = top
        self._height = top + _CURVE + 62

    def draw(self, headline: str, below: str) -> str:
        """Draw from the back to the front."""
        work = self._work
        parts = [
            _PATTERNS,
            f'<rect class="paper" width="{_WIDTH}" height="{self._height}"/>',
            f'<text class="title" x="{_LEFT}" y="42">{escape(headline)}</text>',
            f'<text class="soft" x="{_LEFT}" y="66">{escape(below)}</text>',
            _legend(),
            *map(self._band, work.vms),
            self._axis(),
            *map(self._away, work.away),
            *(self._handover(before, after) for before, after in work.handovers()),
            *map(self._bar, work.claims),
            *map(self._eviction, work.away),
            self._curve(),
        ]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {self._height:.0f}" width="{_WIDTH}" '
            f'role="img" aria-label="{escape(headline)}">\n<title>{escape(headline)}</title>\n'
            f"<style>{_STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
        )

    def _x(self, seconds: float) -> float:
        shown_s = max(self._work.ended_s - self._from_s, 1.0)
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * (seconds - self._from_s) / shown_s, 1)

    def _lane(self, claim: Claim) -> float:
        return self._tops[claim.vm] + self._slots[claim.vm].index(claim.slot) * _LANE

    def _bottom(self, vm: str) -> float:
        return self._tops[vm] + len(self._slots[vm]) * _LANE - (_LANE - _BAR)

    def _span(self, css: str, from_s: float, to_s: float, top: float, bottom: float) -> str:
        start = self._x(from_s)
        width = max(round(self._x(to_s) - start, 1), 1)
        return f'<rect class="{css}" x="{start}" y="{top}" width="{width}" height="{bottom - top}"/>'

    def _band(self, vm: str) -> str:
        top = self._tops[vm]
        lanes = [
            self._span("lane", self._from_s, self._work.ended_s, top + place * _LANE, top + place * _LANE + _BAR)
            for place, _ in enumerate(self._slots[vm])
        ]
        middle = (top + self._bottom(vm)) / 2 + 5
        return f'<text class="vm" x="{_LEFT - 14}" y="{middle}" text-anchor="end">{escape(vm)}</text>' + "".join(lanes)

    def _away(self, away: Away) -> str:
        """Draw the time in which a VM was away, and that in which it knew of it."""
        top, bottom = self._tops[away.vm], self._bottom(away.vm)
        until = self._work.ended_s if away.until_s is None else away.until_s
        notice = "" if away.told_s is None else self._span("notice", away.told_s, away.since_s, top - 5, bottom + 5)
        return notice + self._span("away", away.since_s, until, top, bottom)

    def _eviction(self, away: Away) -> str:
        x, top = self._x(away.since_s), self._tops[away.vm]
        told = "without notice" if away.told_s is None else f"told {away.since_s - away.told_s:.0f} s before"
        back = "not back" if away.until_s is None else f"back after {away.until_s - away.since_s:.0f} s"
        return (
            f'<line class="end" x1="{x}" x2="{x}" y1="{top - 9}" y2="{self._bottom(away.vm) + 5}"/>'
            f'<text class="small evicted" x="{x}" y="{top - 14}" text-anchor="middle">'
            f"evicted, {told}; {back}</text>"
        )

    def _bar(self, claim: Claim) -> str:
        """Draw one attempt: its checkpoints are fine lines in it; what was lost with it is hatched."""
        top = self._lane(claim)
        name = self._work.names.get(claim.job, claim.job[:4])
        kind = "resumed" if claim.end is ClaimEnd.FINISHED and claim.attempt > 1 else claim.end.replace(" ", "-")
        start, end = self._x(claim.began_s), self._x(claim.ended_s)
        saved = "".join(
            f'<line class="saved" x1="{x}" x2="{x}" y1="{top + _BAR - 6}" y2="{top + _BAR}"/>'
            for x in map(self._x, claim.saved_s)
        )
        lost = (
            self._span("lost", claim.lost_from_s, claim.ended_s, top, top + _BAR)
            if claim.lost_from_s < claim.ended_s
            else ""
        )
        label = f'<text x="{(start + end) / 2}" y="{top + 17}" text-anchor="middle">{escape(name)}</text>'
        about = (
            f"job {name}, attempt {claim.attempt}, {claim.end} after {claim.ended_s - claim.began_s:.1f} s, "
            f"checkpoints: {len(claim.saved_s)}"
        )
        # A hair of paper between two bars.
        bar = f'<rect x="{start}" y="{top}" width="{max(end - start - 1, 1):.1f}" height="{_BAR}" rx="3"/>'
        inside = label if end - start > _LABEL_FITS else ""
        return f'<g class="bar {kind}"><title>{escape(about)}</title>{bar}{lost}{saved}{inside}</g>'

    def _handover(self, before: Claim, after: Claim) -> str:
        """Draw the way of a job from an attempt that ended early to the next."""
        x1, y1 = self._x(before.ended_s), self._lane(before) + _BAR / 2
        x2, y2 = self._x(after.began_s), self._lane(after) + _BAR / 2
        bend = max((x2 - x1) / 2, 18)
        return (
            f'<path class="handover" marker-end="url(#arrow)" '
            f'd="M{x1} {y1} C{x1 + bend:.1f} {y1} {x2 - bend:.1f} {y2} {x2} {y2}"/>'
        )

    def _axis(self) -> str:
        shown_s = self._work.ended_s - self._from_s
        step = next((step for step in _STEPS_S if shown_s <= _MOST_TICKS * step), _STEPS_S[-1])
        bottom = self._curve_top + _CURVE
        lines = []
        for second in range(-(-self._from_s // step) * step, int(self._work.ended_s) + 1, step):
            x = self._x(second)
            lines.append(
                f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP + 8}" y2="{bottom}"/>'
                f'<text class="small soft" x="{x}" y="{bottom + 20}" text-anchor="middle">{second} s</text>'
            )
        return "".join(lines)

    def _curve(self) -> str:
        """Draw how many results there were, over time."""
        top, bottom = self._curve_top, self._curve_top + _CURVE
        rise = _CURVE / max(self._work.jobs, 1)
        points = [f"M{self._x(self._from_s)} {bottom}"]
        for number, second in enumerate(self._work.finished_s, 1):
            points.append(f"H{self._x(second)} V{bottom - number * rise:.1f}")
        line = " ".join([*points, f"H{self._x(self._work.ended_s)}"])
        return (
            f'<path class="under" d="{line} V{bottom} z"/><path class="curve" d="{line}"/>'
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{top}" y2="{top}"/>'
            f'<text class="vm" x="{_LEFT - 14}" y="{(top + bottom) / 2 + 5}" text-anchor="end">results</text>'
            f'<text class="small soft" x="{_LEFT - 14}" y="{top + 5}" text-anchor="end">{self._work.jobs}</text>'
            f'<text class="small soft" x="{_LEFT - 14}" y="{bottom + 4}" text-anchor="end">0</text>'
        )


def _legend() -> str:
    """Say what the colours mean, in a row of samples."""
    samples = (
        ("finished", "finished at the first attempt"),
        ("given-back", "saved, given back in time"),
        ("cut-off", "cut off (hatched: done again)"),
        ("resumed", "gone on with, and finished"),
    )
    parts, x = [], float(_LEFT)
    for css, words in samples:
        hatched = f'<rect class="lost" x="{x + 14}" y="88" width="12" height="14"/>' if css == "cut-off" else ""
        parts.append(
            f'<g class="bar {css}"><rect x="{x}" y="88" width="26" height="14" rx="3"/>{hatched}</g>'
            f'<text class="small" x="{x + 33}" y="100">{words}</text>'
        )
        x += _SAMPLE + _LETTER * len(words)
    tick = f'<g class="bar finished"><rect x="{x}" y="88" width="26" height="14" rx="3"/>'
    tick += f'<line class="saved" x1="{x + 13}" x2="{x + 13}" y1="96" y2="102"/></g>'
    return "".join(parts) + tick + f'<text class="small" x="{x + 33}" y="100">a checkpoint</text>'
