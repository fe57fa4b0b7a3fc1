"""Whole trials in this process, as fast as the laptop Azure goes; several at a time share one storage."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, cast

from aiohttp import ClientSession, DummyCookieJar, TCPConnector
from azure.core.pipeline.transport import AioHttpTransport

from localazure.demo.trial import LOCATION, SIZE, furnish
from localazure.event_grid.service import Lags
from localazure.resource_manager.limits import LOW_COST_GET
from localazure.runtime.identity import PrincipalCredential
from localazure.trial.ground import REAL, Pace, trial_ground
from localazure.trial.insides import Insides
from localazure.world.durations import Durations
from localazure.world.world import SUBSCRIPTION
from spot_responder.clients.trials.azure import azure_by
from spot_responder.trial.clock import AzuresClock
from spot_responder.trial.field import Field, Plan, Waits
from spot_responder.trial.journal import LAPTOP_JOURNAL, open_journal
from spot_responder.trial.views.observations import Observations
from tests.trial.harness.virtual_inside import VirtualInsides
from tests.trial.harness.virtual_time import HeldPort, clock_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from aiohttp.typedefs import Middleware

    from localazure.guests.guests import Guests
    from localazure.resource_manager.roles import Role
    from localazure.trial.ground import Beneath, Ground, Inside
    from spot_responder.trial.ports import Azure
    from tests.trial.harness.virtual_time import HeldLoop


def seconds_of(seconds: float) -> timedelta:
    """Give a time."""
    return timedelta(seconds=seconds)


FAST: Final = Durations(
    until_unavailable=seconds_of(0.1),
    deallocation=seconds_of(1.2),
    start=seconds_of(0.6),
    failed_start=seconds_of(0.5),
    until_simulated_eviction=seconds_of(2.5),
)
LAGS: Final = Lags(annotation=seconds_of(0.05), availability=seconds_of(0.1), operation=seconds_of(0.05))
SOON: Final = Waits(
    look=0.25, created=60, role=60, listener=60, eviction=60, settle=1.5, graph=3, gone=60, late=1, passing=1
)
"""Long where a trial goes on as soon as it has what it waits for: a busy machine is no failure."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A laptop Azure, and the field of a trial in it."""

    ground: Ground
    field: Field


def now() -> datetime:
    """Give the time."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_trial(  # noqa: PLR0913 - each is one thing that a test may set
    folder: Path,
    beneath: Beneath,
    run: str,
    *,
    between: Callable[[list[Ground]], Middleware] | None = None,
    roles: Mapping[str, Role] | None = None,
    waits: Waits = SOON,
    loop: HeldLoop | None = None,
    behind: timedelta = timedelta(),
) -> AsyncIterator[Tried]:
    """Open a laptop Azure that is furnished for a trial, and the ports of its owner.

    ``between`` makes what stands between the trial and ARM, of a list that has the ground once it is there. ``loop``:
    the one that this runs in, where it is to be virtual time. ``behind``: the trial's own clock.
    """
    here: list[Ground] = []
    middle = between(here) if between else None
    clock = clock_of(loop) if loop else None
    pace = Pace(clock, loop.held) if loop and clock else REAL
    inside: Callable[[Guests], Inside] = VirtualInsides if loop else Insides
    async with trial_ground(
        folder, durations=FAST, between=middle, roles=roles, beneath=beneath, pace=pace, inside=inside
    ) as ground:
        here.append(ground)
        furnish(ground)
        ground.event_grid.lags = LAGS
        ground.access.limits.spared = frozenset({LOW_COST_GET})
        endpoint = ground.environment["ARM_ENDPOINT"]
        credential = PrincipalCredential(beneath.issuer, "owner")
        trusting = ssl.create_default_context(cafile=str(beneath.certificate.authority))
        session = ClientSession(
            connector=TCPConnector(ssl=trusting), auto_decompress=False, cookie_jar=DummyCookieJar()
        )
        async with AioHttpTransport(session=session, connection_timeout=10, read_timeout=30) as transport:
            prices = ground.environment["PRICES_ENDPOINT"]
            azures = AzuresClock(lambda: pace.clock.now() - behind)
            azure: Azure = azure_by(endpoint, prices, credential, transport, azures)
            if loop:
                azure = cast("Azure", HeldPort(azure, loop.held, pace.clock.now))
            with open_journal(folder, LAPTOP_JOURNAL) as journal:
                plan = Plan(run, SUBSCRIPTION, LOCATION, SIZE, 0.4, await azure.login())
                seen = Observations(endpoint, location=LOCATION, size=SIZE)
                yield Tried(ground, Field(azure, journal, plan, seen, waits, azures.now, lambda _: None))
