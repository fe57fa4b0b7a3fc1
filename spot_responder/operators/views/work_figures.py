"""The figures of each work queue in the last days. Pure.

What is not known is ``None``, and shown as unknown. Called by ``operators/work_queues.py``; ``commands/status.py`` and
``web/views/page.py`` write it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.outcomes import Outcome
from spot_responder.demand.looks import Backlog
from spot_responder.operators.views.figures import DAYS, was_evicted
from spot_responder.text import span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.demand.looks import Watch

_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class JobsDone:
    """The jobs that got their results in a time. ``waited_s``: from arrival to claim, of those of which it is known.

    ``is_all``: there are no more than were counted.
    """

    number: int
    waited_s: tuple[float, ...] = ()
    is_all: bool = True


@dataclass(frozen=True, slots=True)
class WorkFigures:
    """A work queue at the app's latest look at it, and in the last ``DAYS`` days.

    Attributes:
        visible: messages that a worker could take then; ``messages``: all. ``None`` before the first look.
        waiting_since: since when there are messages that nobody took.
        jobs_done: ``None`` where the table of results cannot be read; ``jobs_unseen`` says why.
        are_all_jobs: ``False`` where there are more than were counted.
        wait_p50_s: how long half of the jobs waited at most from arrival to claim, in seconds; ``None`` where no row
            of the results tells. ``wait_p99_s``: 99 of 100.
        vm_hours: how long VMs were up for the queue, as looks saw it; ``None`` before the first look.
        idle_hours: how long of that they had nothing to do.
        starts: how often VMs were started for it; ``evictions``: of its VMs. ``None`` before the first look.
    """

    name: str
    looked_at: datetime | None
    visible: int | None
    messages: int | None
    waiting_since: datetime | None
    reason: str
    jobs_done: int | None
    are_all_jobs: bool
    jobs_unseen: str
    wait_p50_s: float | None
    wait_p99_s: float | None
    vm_hours: float | None
    idle_hours: float | None
    starts: int | None
    evictions: int | None


def work_figures(watch: Watch, done: JobsDone | str, recoveries: Sequence[Recovery], now: datetime) -> WorkFigures:
    """Make the figures. ``done``: the jobs of the last days, or why they are not known; ``recoveries``: of all VMs."""
    first = (now - timedelta(days=DAYS - 1)).date()
    jobs = None if isinstance(done, str) else done
    waited_s = sorted(jobs.waited_s) if jobs else []
    of_queue = [each for each in recoveries if each.vm_id.key in watch.vms]
    days = [each for each in watch.up_times if each.day >= first]
    is_seen = watch.looked_at is not None
    return WorkFigures(
        name=str(watch.name),
        looked_at=watch.looked_at,
        visible=watch.backlog.visible if watch.backlog else None,
        messages=watch.backlog.total if watch.backlog else None,
        waiting_since=watch.waiting_since,
        reason=watch.reason,
        jobs_done=jobs.number if jobs else None,
        are_all_jobs=jobs is not None and jobs.is_all,
        jobs_unseen=done if isinstance(done, str) else "",
        wait_p50_s=_quantile(waited_s, 0.5),
        wait_p99_s=_quantile(waited_s, 0.99),
        vm_hours=_hours(sum((each.up for each in days), timedelta())) if is_seen else None,
        idle_hours=_hours(sum((each.idle for each in days), timedelta())) if is_seen else None,
        starts=sum(each.outcome is Outcome.STARTED_FOR_WORK for each in of_queue) if is_seen else None,
        evictions=sum(was_evicted(each) for each in of_queue) if is_seen else None,
    )


def jobs_told(figures: WorkFigures) -> str:
    """Write how many jobs were done."""
    if figures.jobs_done is None:
        return f"unknown ({figures.jobs_unseen})"
    return f"{figures.jobs_done}{'' if figures.are_all_jobs else ' or more'}"


def wait_told(figures: WorkFigures) -> str:
    """Write how long jobs waited from arrival to claim."""
    half, most = figures.wait_p50_s, figures.wait_p99_s
    if half is None or most is None:
        return "unknown"
    return f"half at most {span(timedelta(seconds=half))}, 99 % at most {span(timedelta(seconds=most))}"


def hours_told(figures: WorkFigures) -> str:
    """Write how long VMs were up, and idle."""
    if figures.vm_hours is None or figures.idle_hours is None:
        return "unknown"
    up, idle = _HOUR * figures.vm_hours, _HOUR * figures.idle_hours
    return f"{_time_told(up)}, {_time_told(idle)} of them idle"


def _time_told(time: timedelta) -> str:
    return f"{time / _HOUR:.1f} h" if time >= _HOUR else f"{round(time / _MINUTE)} min"


def count_told(number: int | None) -> str:
    """Write how often something happened."""
    return "unknown" if number is None else str(number)


def backlog_at_look(figures: WorkFigures) -> str:
    """Write how many messages the latest look saw."""
    if figures.visible is None or figures.messages is None:
        return "not looked at yet"
    return Backlog(figures.visible, figures.messages).told


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """Give the value that so large a share of all is no larger than."""
    return ordered[ceil(share * len(ordered)) - 1] if ordered else None


def _hours(time: timedelta) -> float:
    return round(time / _HOUR, 2)
