"""Requests wait for their turn: in virtual time, with Azure's headers as they come."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from localazure.virtual.clock import VirtualClock
from localazure.world.world import World
from spot_responder.clients.rate_limiter import LONGEST_WAIT_S, MOST_LINES, Turns
from spot_responder.decisions.token_bucket import QUERIES, WRITES
from spot_responder.intake.azure_errors import OWN_PACE, FailureKind
from spot_responder.responder.ports import AzureRefusedError
from tests.harness.makers import TEN

if TYPE_CHECKING:
    from collections.abc import Coroutine

LEFT = "x-ms-ratelimit-remaining-subscription-writes"
THROTTLED = {"Retry-After": "17"}


def play[T](story: Coroutine[Any, Any, T]) -> T:
    """Run a story in virtual time."""
    with closing(VirtualClock(TEN, World(TEN))) as clock:
        return clock.complete(story)


async def ask(turns: Turns, key: str = "s", status: int = 202, headers: dict[str, str] | None = None) -> float:
    """Send a request, hear this answer, and give the time at which it went out."""
    async with turns.turn(key, "start a VM") as answer:
        at = asyncio.get_running_loop().time()
        answer.hear(SimpleNamespace(http_response=SimpleNamespace(status_code=status, headers=headers or {})))  # type: ignore[arg-type]
    return at


async def lose(turns: Turns) -> None:
    """Send a request that nobody answers."""
    async with turns.turn("s", "start a VM"):
        message = "no connection"
        raise OSError(message)


def test_a_lone_request_waits_for_nothing() -> None:
    """Neither for company nor for its turn."""
    assert play(ask(Turns(QUERIES, LEFT))) == 0


def test_a_crowd_goes_out_one_after_the_other_in_the_order_it_came() -> None:
    """At ten a second where Azure has said nothing yet."""

    async def crowd() -> list[float]:
        turns = Turns(WRITES, LEFT)
        return await asyncio.gather(*(ask(turns) for _ in range(5)))

    times = play(crowd())
    assert times == sorted(times)
    assert times[-1] == pytest.approx(0.4, abs=0.1)


def test_with_plenty_left_a_crowd_is_fast() -> None:
    """Azure says how much is left; what was in line goes faster from then on."""

    async def crowd() -> float:
        turns = Turns(WRITES, LEFT)
        return max(await asyncio.gather(*(ask(turns, headers={LEFT: "199"}) for _ in range(20))))

    assert play(crowd()) < 0.6


def test_too_many_holds_all_of_the_subscription_and_nobody_else() -> None:
    """Nobody asks before the time that Azure named; another subscription has a bucket of its own."""

    async def story() -> list[float]:
        turns = Turns(WRITES, LEFT)
        await ask(turns, status=429, headers={"Retry-After": "7"})
        return list(await asyncio.gather(ask(turns), ask(turns, key="other")))

    assert play(story()) == [7, 0]


def test_a_request_that_would_wait_too_long_is_sent_back_without_asking_azure() -> None:
    """With the time to come back, as Azure would say it; the code says that it was us."""

    async def story() -> AzureRefusedError:
        turns = Turns(WRITES, LEFT)
        await ask(turns, status=429, headers=THROTTLED)
        with pytest.raises(AzureRefusedError) as refused:
            await ask(turns)
        return refused.value

    failure = play(story()).failure
    assert (failure.kind, failure.code, failure.retry_after) == (
        FailureKind.THROTTLED,
        OWN_PACE,
        timedelta(seconds=17),
    )


def test_a_long_line_is_not_joined() -> None:
    """Nobody waits longer than the longest wait, however many come at once."""

    async def crowd() -> list[float | BaseException]:
        turns = Turns(WRITES, LEFT)
        return await asyncio.gather(*(ask(turns) for _ in range(500)), return_exceptions=True)

    answers = play(crowd())
    times = [answer for answer in answers if isinstance(answer, float)]
    assert max(times) <= LONGEST_WAIT_S * 1.5
    assert all(isinstance(answer, AzureRefusedError) for answer in answers if not isinstance(answer, float))
    assert 0 < len(times) < 500


def test_too_many_for_one_vm_holds_no_other() -> None:
    """Compute has a bucket for each VM as well, and says which one is empty."""
    one_vm = THROTTLED | {"x-ms-ratelimit-remaining-resource": "Microsoft.Compute/UpdateVMResource;0"}

    async def story() -> float:
        turns = Turns(WRITES, LEFT)
        await ask(turns, status=429, headers=one_vm)
        return await ask(turns)

    assert play(story()) < 1


def test_a_request_that_was_lost_holds_nobody() -> None:
    """No answer came: the next one goes out in its turn."""

    async def story() -> float:
        turns = Turns(WRITES, LEFT)
        with pytest.raises(OSError, match="no connection"):
            await lose(turns)
        return await ask(turns)

    assert play(story()) < 1


def test_subscriptions_without_end_fill_no_memory() -> None:
    """Whoever may write to the queue names ever new ones: the oldest bucket is forgotten, the newest is kept."""

    async def many() -> int:
        turns = Turns(WRITES, LEFT)
        for number in range(MOST_LINES + 5):
            async with turns.turn(f"s{number}", "start a VM"):
                pass
        return len(turns._lines)  # noqa: SLF001 - nothing else shows what is remembered

    assert play(many()) == MOST_LINES
