"""One schedule: a small world, hours of random faults, then calm; drawn from a seed, so that it can be repeated."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from localazure.virtual.app import Deployment
from localazure.virtual.azure import VirtualAzure
from localazure.world.durations import Durations
from soak.responder.faults import FaultRates, Faults
from soak.responder.polite import LARGE_BUDGET
from soak.responder.promises import Witness
from soak.responder.story import STEP, Story
from spot_responder.decisions.policy import Policy, RestartWhen

if TYPE_CHECKING:
    from soak.responder.promises import Findings

TEN: Final = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
CALM_AT_MOST: Final = timedelta(hours=26)
"""After so long of calm everything must be over: the brake holds a VM for a day at most."""


def run_schedule(seed: int) -> Findings:
    """Run one schedule, and say what was found."""
    chance = Random(seed)  # noqa: S311 - no secret
    faults = Faults(fault_rates(chance, (0.3, 0.9), (0, 30, 900)), chance)
    deployment, sizes = _deployment(chance), _chance_of_sizes(seed)
    is_out_of_all = sizes is not None and _is_out_of_all_sizes(seed)
    if sizes is not None:
        deployment = replace(deployment, policy=replace(deployment.policy, resizes=True))
    if is_out_of_all:
        deployment = replace(deployment, policy=replace(deployment.policy, starts_per_hour=LARGE_BUDGET))
    with VirtualAzure(
        TEN, deployment, chance=chance, durations=durations(chance), fault_plan=faults, event_fault_plan=faults
    ) as azure:
        faults.tell_time_by(azure.clock)
        azure.world.eviction_annotations = _eviction_annotations(chance)
        story = Story(azure, faults, chance, sizes)
        witness = Witness(azure, faults, deployment)
        story.set_the_scene()
        if is_out_of_all:
            story.run_out_of_all_sizes()
        story.let_things_happen(TEN + timedelta(minutes=chance.uniform(12, 60)))
        witness.judge_what_lasts()
        calm_at = story.calm_down()
        while not witness.is_all_over(calm_at) and azure.clock.now() - calm_at < CALM_AT_MOST:
            azure.run_for(STEP)
        return witness.findings(seed, calm_at)


def _chance_of_sizes(seed: int) -> Random | None:
    """Give the chance by which owners name other sizes, in a third of the schedules."""
    sizes = Random(f"sizes of {seed}")  # noqa: S311 - no secret
    return sizes if sizes.randrange(3) == 0 else None


def _is_out_of_all_sizes(seed: int) -> bool:
    """Draw, by a chance of its own, whether a schedule in which owners name other sizes has no capacity for any."""
    return Random(f"all sizes of {seed}").randrange(3) == 0  # noqa: S311 - no secret


def fault_rates(chance: Random, slow: tuple[float, ...], graph_lags_s: tuple[int, ...]) -> FaultRates:
    """Draw how often what goes wrong; ``slow``: the rates of slow answers that are possible besides few and none."""
    bad = chance.choice((0.0, 0.02, 0.1))
    events = chance.choice((0.0, 0.1, 0.5))
    return FaultRates(
        refused=bad,
        start_refused=chance.choice((0.0, 0.0, 0.0, 0.9)),
        lost=bad / 2,
        slow=chance.choice((0.0, bad, *slow)),
        death=chance.choice((0.0, 0.0, 0.01, 0.03)),
        event_lost=events,
        event_doubled=events,
        event_late=events,
        operation_spoiled=bad,
        row_hidden=bad / 2,
        power_state_hidden=bad / 2,
        longest_graph_lag=timedelta(seconds=chance.choice(graph_lags_s)),
    )


def _deployment(chance: Random) -> Deployment:
    instances = chance.choice((1, 2, 3))
    longest_error_s = chance.choice((0, 20, 120))
    return Deployment(
        Policy(
            restart_when=chance.choice((*(4 * [RestartWhen.UNLESS_STOPPED]), RestartWhen.EVICTED)),
            restarts_per_day=chance.choice((10, 10, 10, 4)),
        ),
        instances=instances,
        dry_run=chance.randrange(30) == 0,
        clock_errors=clock_errors(chance, instances, longest_error_s),
    )


def clock_errors(chance: Random, instances: int, longest_s: int) -> tuple[timedelta, ...]:
    """Draw how far each instance's clock is off."""
    return tuple(timedelta(seconds=chance.uniform(-longest_s, longest_s)) for _ in range(instances))


def durations(chance: Random) -> Durations:
    """Draw how long Azure takes."""
    return Durations(
        deallocation=timedelta(seconds=chance.choice((5, 15, 90))),
        start=timedelta(seconds=chance.choice((8, 20, 90))),
        failed_start=timedelta(seconds=chance.choice((2, 20, 120))),
    )


def _eviction_annotations(chance: Random) -> tuple[str, ...]:
    """Draw one of the readings of what nobody has seen yet (docs/azure-assumptions.md E1, E4)."""
    preempted = ("VirtualMachinePreempted",)
    return chance.choice((preempted, preempted, preempted, (*preempted, "VirtualMachineDeallocationInitiated"), ()))


def be_quiet() -> None:
    """Let the product log nothing, and asyncio look for nothing: both cost more than what they watch."""
    logging.getLogger("spot_responder").setLevel(logging.CRITICAL)
    os.environ.pop("PYTHONDEVMODE", None)
