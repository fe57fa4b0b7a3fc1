"""One schedule: work queues and VMs, hours of random faults, then calm and two last jobs; drawn from a seed."""

from __future__ import annotations

import json
import logging
import os
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from localazure.virtual.app import Deployment
from localazure.virtual.azure import VirtualAzure
from soak.responder.faults import Faults
from soak.responder.schedule import TEN, clock_errors, durations, fault_rates
from soak.work.promises import Witness
from soak.work.story import Story
from soak.work.worker import Farm
from spot_responder.decisions.policy import Policy
from spot_responder.demand.work_queues import WorkQueue
from spot_responder.intake.work_queue_names import WorkQueueName
from spot_responder.responder.log import LOG

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak.work.promises import Findings

STEP: Final = timedelta(minutes=5)
CALM_AT_MOST: Final = timedelta(hours=8)
"""After so long of calm all work must be done, and no VM be up for nothing."""

PAUSES_END: Final = timedelta(minutes=80)
"""So long after the calm began no pause holds a VM any more that a refusal or a budget has set."""

PROBED_AT_MOST: Final = timedelta(hours=2)
_JOB_S: Final = 20.0
_ASKS_EVERY: Final = timedelta(seconds=15)
"""Three times as seldom as real workers: it changes nothing that is judged, and saves most of a schedule's time."""


def run_schedule(seed: int) -> Findings:
    """Run one schedule, and say what was found."""
    chance = Random(seed)  # noqa: S311 - no secret
    faults = Faults(fault_rates(chance, (0.3,), (0, 30, 30, 900)), chance)
    deployment = _deployment(chance)
    with VirtualAzure(
        TEN, deployment, chance=chance, durations=durations(chance), fault_plan=faults, event_fault_plan=faults
    ) as azure:
        faults.tell_time_by(azure.clock)
        trouble = chance.choice((0.0, 0.01, 0.05))
        farm = Farm(azure.clock, azure.world, faults, chance, azure.app.work_queues, trouble, _ASKS_EVERY)
        story, witness = Story(azure, farm, deployment.work_queues), Witness(azure, farm, deployment)
        ears = _Ears(witness.hear_trouble)
        LOG.addHandler(ears)
        try:
            story.set_the_scene()
            farm.watch()
            story.let_things_happen(TEN + timedelta(minutes=chance.uniform(20, 120)))
            return witness.findings(seed, story, _ended(azure, story, witness))
        finally:
            LOG.removeHandler(ears)


def _ended(azure: VirtualAzure, story: Story, witness: Witness) -> list[str]:
    """Let all be well; give what is wrong then."""
    queues, calm_at = azure.app.settings.work_queues, story.calm_down()

    def rest(at_most: timedelta) -> None:
        since = azure.clock.now()
        while azure.clock.now() - since < at_most and not all(map(witness.is_at_rest, queues)):
            azure.run_for(STEP)

    rest(CALM_AT_MOST)
    azure.run_until(max(azure.clock.now(), calm_at + PAUSES_END))
    # What a pause held until now may still be at work.
    rest(CALM_AT_MOST)
    wrong = [line for queue in queues for line in (*witness.unfinished(queue), *witness.staying(queue))]
    for woken in (True, False) if not wrong else ():
        rest(PROBED_AT_MOST)
        jobs = [(queue, story.submit(queue, _JOB_S, wakes=woken)) for queue in queues if witness.available(queue)]
        rest(PROBED_AT_MOST)
        # A VM whose worker never begins takes the one place that ``maxVms`` gives, and somebody is told.
        served = [(queue, job) for queue, job in jobs if witness.available(queue)]
        wrong += [line for queue, job in served for line in witness.late(queue, job, woken=woken)]
        wrong += [line for queue in queues for line in witness.staying(queue)]
    return wrong


def _deployment(chance: Random) -> Deployment:
    instances = chance.choice((1, 1, 2, 3))
    longest_error_s = chance.choice((0, 0, 20, 120))
    return Deployment(
        Policy(),
        instances=instances,
        clock_errors=clock_errors(chance, instances, longest_error_s),
        work_queues=tuple(_work_queue(name, chance) for name in ("frames", "films")[: chance.choice((1, 2))]),
    )


def _work_queue(name: str, chance: Random) -> WorkQueue:
    return WorkQueue(
        WorkQueueName("farm", name),
        "https://farm.queue.core.windows.net",
        "https://farm.table.core.windows.net",
        messages_per_vm=chance.choice((1, 1, 2, 5)),
        max_vms=chance.choice((1, 2, 10)),
        idle=timedelta(minutes=chance.choice((0, 1, 5))),
        minimum=timedelta(minutes=chance.choice((0, 2, 10))),
    )


class _Ears(logging.Handler):
    """Hears which VMs somebody is told of."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        told = json.loads(record.getMessage())
        if told["event"] == "work trouble" and "vm" in told:
            self._hear(told["vm"])


def be_quiet() -> None:
    """Let the product log errors only, and to nobody but the schedule; asyncio looks for nothing."""
    LOG.setLevel(logging.ERROR)
    LOG.propagate = False
    os.environ.pop("PYTHONDEVMODE", None)
