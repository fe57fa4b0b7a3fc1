"""Runs a trial: its steps in order, and whatever becomes of them, takes away what was created."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from dataclasses import field as initial
from typing import TYPE_CHECKING, Final

from spot_responder.trial.field import RESOURCES, TAG, StepFailedError
from spot_responder.trial.removal import take_away
from spot_responder.trial.shielding import AGAIN, to_its_end
from spot_responder.trial.steps.eviction import eviction
from spot_responder.trial.steps.machine import machine
from spot_responder.trial.steps.offerings import offerings
from spot_responder.trial.steps.read import burst, read
from spot_responder.trial.steps.refusals import refusals
from spot_responder.trial.steps.stop import stop
from spot_responder.trial.steps.storage import storage
from spot_responder.trial.steps.witness import witness
from spot_responder.trial.views.observations import Mark
from spot_responder.trial.views.verdicts import Step
from spot_responder.trial.watching import watching

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from spot_responder.trial.field import Field

_TOLD: Final = {
    Step.READ: "reading what is there",
    Step.OFFERINGS: "reading prices and sizes",
    Step.GROUP: "creating the resource group",
    Step.WITNESS: "creating the witness queue, its topics and event subscriptions",
    Step.STORAGE: "trying queues and blobs",
    Step.MACHINE: "creating the VM",
    Step.EVICTION: "having the VM evicted; Azure may take 30 minutes to begin",
    Step.STOP: "stopping the VM",
    Step.REFUSALS: "asking for what Azure refuses",
    Step.QUOTA: "asking Resource Graph more often than it answers",
}


@dataclass(slots=True)
class Course:
    """How far a trial has come. ``failed``: why steps could not be done; ``unfinished``: those without an end."""

    unfinished: list[Step]
    failed: dict[Step, str] = initial(default_factory=dict)
    interrupted: bool = False


async def run_trial(
    field: Field, steps: Iterable[Step], *, keep: bool, seen: Callable[[Course], None] = lambda _: None
) -> tuple[Course, list[str]]:
    """Do the steps; give how that went, and what could not be taken away.

    ``keep``: leave everything as it is; the next trial takes it away. ``seen`` is told once nothing more will be seen,
    before anything is taken away: whatever ended the steps, what was found is written down first, which takes a moment.
    A cancelled task (Ctrl-C) ends the steps, and all is taken away; cancelled again after that was told, it ends that
    too.
    """
    course = Course(list(steps))
    left: list[str] = []
    try:
        await _do_all(field, course)
    finally:
        try:
            seen(course)
        finally:
            left = [] if keep else await _removed(field, ended=course.interrupted)
    return course, left


async def _do_all(field: Field, course: Course) -> None:
    task = asyncio.current_task()
    try:
        async with watching(field):
            for step in list(course.unfinished):
                await _do(step, field, course.failed)
                course.unfinished.remove(step)
            field.mark(Mark.END)
    except asyncio.CancelledError:
        course.interrupted = True
        if task is not None:
            task.uncancel()
        field.tell("interrupted: nothing more is tried")


async def _removed(field: Field, *, ended: bool) -> list[str]:
    if not field.journal.listed().remains:
        return []
    field.tell(f"taking away what was created{f'; {AGAIN}' if ended else ''}")
    work = take_away(field.azure, field.journal, field.plan.subscription, field.waits, field.tell)
    left, _ = await to_its_end(work, field.tell, announced=ended)
    return left


async def _do(step: Step, field: Field, failed: dict[Step, str]) -> None:
    why = next((failed[below] for below in step.rests_on if below in failed), "")
    if why:
        failed[step] = why
        return
    field.tell(_TOLD[step])
    try:
        await _WORK[step](field)
    except StepFailedError as error:
        failed[step] = f"step {step}: {error}"
        field.tell(failed[step])


async def _group(field: Field) -> None:
    """Create the resource group, which carries the trial's tag.

    Raises:
        StepFailedError: if there is one of this name already, or it is refused.
    """
    there = await field.ask("group that is not there", "GET", field.plan.group, RESOURCES)
    if there.is_good:
        message = f"there is a resource group {field.plan.group} already"
        raise StepFailedError(message)
    body = {"location": field.plan.location, "tags": {TAG: field.plan.run}}
    await field.need("resource group", field.plan.group, RESOURCES, body)


_WORK: Final[dict[Step, Callable[[Field], Awaitable[None]]]] = {
    Step.READ: read,
    Step.OFFERINGS: offerings,
    Step.GROUP: _group,
    Step.WITNESS: witness,
    Step.STORAGE: storage,
    Step.MACHINE: machine,
    Step.EVICTION: eviction,
    Step.STOP: stop,
    Step.REFUSALS: refusals,
    Step.QUOTA: burst,
}
