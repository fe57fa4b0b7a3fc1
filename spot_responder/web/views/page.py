"""The status page as HTML: what ``status`` says, for a browser. No script, nothing from elsewhere. Pure.

Names, reasons and Azure's messages may contain anything: every text goes through ``_text``. Called by
``web/status.py``.
"""

from __future__ import annotations

from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.app_health.event_path import EventPathState, whether_events_arrive
from spot_responder.operators.views.figures import how_agents_told
from spot_responder.operators.views.status import (
    gate,
    headline,
    held_and_up,
    how_many,
    is_well,
    near_their_max_price,
    pool_names,
)
from spot_responder.operators.views.vm_names import names
from spot_responder.operators.views.work_figures import count_told, hours_told, jobs_told, wait_told
from spot_responder.text import count, span
from spot_responder.web.views.bar_chart import bar_chart
from spot_responder.web.views.style import STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from spot_responder.advised_command import CommandLine
    from spot_responder.decisions.app_health.event_path import EventPath
    from spot_responder.operators.views.figures import Figures
    from spot_responder.operators.views.open_recovery import OpenRecovery
    from spot_responder.operators.views.problems import Problem
    from spot_responder.operators.views.status import LimitedPool, Overview
    from spot_responder.operators.views.work_figures import WorkFigures

MOST_CASES: Final = 50
"""How many open recoveries are shown one by one."""

_TONES: Final = {"held": "notice", "starting": "good", "refused": "notice", "waiting": "notice"}


def status_page(overview: Overview, command: CommandLine) -> str:
    """Write the page. ``command`` writes the commands that are advised."""
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_text(headline(overview))} · Spot Responder</title><style>{STYLE}</style></head><body>",
            f"<header><h1>Spot Responder</h1>{_soft(f'{_day_and_time(overview.at)}; all times are UTC')}</header>",
            _summary(overview),
            _section(f"Open recoveries: {len(overview.recoveries)}", _recoveries(overview, command)),
            _held(overview),
            _section("Pools that are not open", _pools(overview)),
            _flow(overview),
            _work(overview),
            _charts(overview.figures),
            "</body></html>",
        )
    )


def _text(text: object) -> str:
    return escape(str(text))


def _soft(text: str) -> str:
    return f'<p class="soft">{_text(text)}</p>'


def _summary(overview: Overview) -> str:
    is_calm = is_well(overview) or (overview.recoveries and not overview.problems)
    tone = "bad" if overview.problems else "good" if is_calm else "notice"
    dry = '<p class="notice">DRY_RUN is true: nothing is started.</p>' if overview.dry_run else ""
    problems = "".join(_problem(each) for each in overview.problems)
    return f'<p class="headline {tone}">{_text(headline(overview))}</p>{dry}{_cards([problems]) if problems else ""}'


def _problem(problem: Problem) -> str:
    return f'<p>{_text(problem.what)}</p><p class="soft">mend: <code>{_text(problem.mend)}</code></p>'


def _section(title: str, items: Iterable[str]) -> str:
    cards = _cards(items)
    return f"<section><h2>{_text(title)}</h2>{cards}</section>" if cards else ""


def _cards(items: Iterable[str]) -> str:
    cards = "".join(f'<li class="card">{item}</li>' for item in items)
    return f"<ul>{cards}</ul>" if cards else ""


def _recoveries(overview: Overview, command: CommandLine) -> list[str]:
    """Write the recoveries whose VMs are down for longest, up to ``MOST_CASES``."""
    cards = [_recovery(each, overview.at) for each in overview.recoveries[:MOST_CASES]]
    more = len(overview.recoveries) - len(cards)
    return [*cards, _soft(f"and {more} more: {command('status')}")] if more else cards


def _recovery(recovery: OpenRecovery, now: datetime) -> str:
    look = "no look is due" if recovery.next_look_at is None else f"next look {_away(recovery.next_look_at, now)}"
    noticed = f", noticed by its agent {_away(recovery.noticed_at, now)}" if recovery.noticed_at else ""
    ready = f", workload ready {_away(recovery.ready_at, now)}" if recovery.ready_at else ""
    asked = count(recovery.start_requests, "start request")
    facts = f"down for {span(now - recovery.down_since)}, {asked}, {look}{noticed}{ready}"
    overdue = ' <span class="bad">overdue</span>' if recovery.is_overdue else ""
    said = f'<p class="soft">Azure said: {_text(recovery.azure_said)}</p>' if recovery.azure_said else ""
    return (
        f'<span class="name">{_text(recovery.vm_id.name)}</span>'
        f'<span class="tag {_TONES[recovery.state]}">{_text(recovery.state)}</span>'
        f"<p>{_text(recovery.reason)}{_text(_held_since(recovery))}</p>{said}"
        f'<p class="soft">{_text(facts)}{overdue}</p>{_soft(_place(recovery))}'
    )


def _held_since(recovery: OpenRecovery) -> str:
    return f" (since {_day_and_time(recovery.held_at)})" if recovery.held_at else ""


def _place(recovery: OpenRecovery) -> str:
    pool = f"{recovery.pool}, " if recovery.pool else ""
    return f"{pool}resource group {recovery.vm_id.resource_group}, subscription {recovery.vm_id.subscription_id}"


def _held(overview: Overview) -> str:
    held = held_and_up(overview)
    called = names(each.vm_id for each in held)
    cards = (
        f'<span class="name">{_text(called[each.vm_id])}</span>{_soft(f"since {_day_and_time(each.held_at)}")}'
        for each in held
    )
    return _section("Held by an operator", cards)


def _pools(overview: Overview) -> Iterable[str]:
    called = pool_names(overview.pools)
    return (_pool(each, called[each.pool_id], overview.at) for each in overview.pools)


def _pool(pool: LimitedPool, called: str, now: datetime) -> str:
    how = gate(pool, _away(pool.closed_until, now))
    refusals = f"refused {count(pool.refusals, 'time')} in a row, {count(pool.starts_under_way, 'start')} under way"
    return f'<span class="name">{_text(called)}</span><p>{_text(how)}</p>{_soft(refusals)}'


def _flow(overview: Overview) -> str:
    queues, path, now = overview.queues, overview.event_path, overview.at
    why = {unseen.place: unseen.why for unseen in queues.unseen}
    lines = "".join(
        _line(
            place,
            f"could not look ({why.get(place, place.what_lies_there)})"
            if number is None
            else f"{count(number, place.unit)} ({place.what_lies_there})",
        )
        for place, number in queues.by_place.items()
    )
    arrive = whether_events_arrive(path, lambda time: _away(time, now) if time else "-")
    events = f'<dt>event path</dt><dd class="{_path_tone(path)}">{_text(arrive)}</dd>'
    covered = _line("Spot VMs that the app sees", how_many(overview.coverage))
    near = near_their_max_price(overview)
    prices = _line("near their max price", near) if near else ""
    return f"<section><h2>Covered, and told</h2><dl>{covered}{prices}{events}{lines}</dl></section>"


def _work(overview: Overview) -> str:
    called = "Work queue" if len(overview.work) == 1 else "Work queues"
    return _section(f"{called}, and the last 7 days", (_work_queue(each, overview.at) for each in overview.work))


def _work_queue(work: WorkFigures, now: datetime) -> str:
    looked = f"looked at {_away(work.looked_at, now)}" if work.looked_at else ""
    waits = f", messages wait since {_away(work.waiting_since, now)}" if work.waiting_since else ""
    lines = (
        ("jobs done", jobs_told(work)),
        ("from arrival to claim", wait_told(work)),
        ("VM hours", hours_told(work)),
        ("VMs started", count_told(work.starts)),
        ("evictions", count_told(work.evictions)),
    )
    facts = "".join(_line(name, text) for name, text in lines)
    return (
        f'<span class="name">{_text(work.name)}</span><p>{_text(work.reason or "not looked at yet")}</p>'
        f"{_soft(looked + waits)}<dl>{facts}</dl>"
    )


def _line(name: str, text: str) -> str:
    return f"<dt>{_text(name)}</dt><dd>{_text(text)}</dd>"


def _path_tone(path: EventPath) -> str:
    return {EventPathState.WORKS: "good", EventPathState.SILENT: "bad"}.get(path.state, "")


def _charts(figures: Figures) -> str:
    median = figures.median_restore_s
    half = "nobody was restored" if median is None else f"half within {span(timedelta(seconds=median))}"
    evicted = f"{sum(each.number for each in figures.evictions)} in all"
    failed = f"{sum(each.number for each in figures.failures)} in all"
    before, after = how_agents_told(figures)
    charts = [
        ("Evictions a day", evicted, figures.evictions),
        ("Time to restore", half, figures.restore_times),
        ("Start requests that failed", failed, figures.failures),
        ("Notice before an eviction", before, figures.notice_leads),
        ("Time to workload ready", after, figures.ready_times),
    ]
    cards = "".join(
        f'<div class="card"><h3>{_text(title)}</h3>{_soft(summed)}{bar_chart(title, counts) if counts else ""}</div>'
        for title, summed, counts in charts
    )
    return f'<section><h2>The last 7 days</h2><div class="charts">{cards}</div></section>'


def _day_and_time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"


def _away(time: datetime, now: datetime) -> str:
    clock = f"{time:%H:%M:%S}" if time.date() == now.date() else _day_and_time(time)
    gap = time - now
    return f"{clock} ({span(-gap)} ago)" if time < now else f"{clock} (in {span(gap)})"
