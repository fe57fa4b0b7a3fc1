"""How requests are spaced so that Azure never says "too many", held against Azure's own buckets."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.resource_manager.token_buckets import Rate, TokenBucket
from spot_responder.decisions.token_bucket import QUERIES, READS, WRITES, Bucket, begin, hear, refuse, send, wait_for
from tests.harness.makers import TEN

STEP_S = 0.01
BUCKETS = st.sampled_from([READS, WRITES, QUERIES])


@dataclass
class Azure:
    """A bucket of Azure's that several processes draw on, each by its own pace; time is seconds after ten o'clock."""

    bucket: Bucket
    tokens: TokenBucket = field(init=False)
    accepted: list[float] = field(default_factory=list)
    throttled: int = 0

    def __post_init__(self) -> None:
        """Fill it."""
        rate = Rate(int(self.bucket.size), int(self.bucket.refill), timedelta(seconds=1))
        self.tokens = TokenBucket(rate, TEN)

    def answer(self, at: float) -> float | None:
        """Give what is left, or ``None`` for "too many"."""
        now = TEN + timedelta(seconds=at)
        if self.tokens.remaining(now) == 0:
            self.throttled += 1
            return None
        self.tokens.take(now)
        self.accepted.append(at)
        return float(self.tokens.remaining(now))


def storm(azure: Azure, requests: int, processes: int, room: int = 48) -> None:
    """Send so many requests through so many processes, each with so many under way at once; what is refused, again."""
    chance = Random(0)  # noqa: S311 - no secret
    paces = [begin(azure.bucket, 0.0) for _ in range(processes)]
    under_way = [0] * processes
    waiting = requests
    answers: list[tuple[float, int, int, float | None]] = []
    now = 0.0
    while waiting or answers:
        for process in range(processes):
            while waiting and under_way[process] < room and wait_for(paces[process], now) == 0:
                waiting -= 1
                under_way[process] += 1
                paces[process] = send(paces[process], now)
                at = now + chance.uniform(0.05, 0.3)
                heapq.heappush(answers, (at, process, paces[process].sent, azure.answer(now)))
        now += STEP_S
        while answers and answers[0][0] <= now:
            _, process, number, left = heapq.heappop(answers)
            under_way[process] -= 1
            if left is None:
                waiting += 1
                paces[process] = refuse(paces[process], now, 1.0)
            else:
                paces[process] = hear(paces[process], now, number, left)


def test_a_thousand_starts_take_hardly_longer_than_azure_demands() -> None:
    """200 at once and 10 a second: 80 seconds at least. Nobody hears "too many"."""
    azure = Azure(WRITES)
    storm(azure, 1000, processes=1)
    assert (len(azure.accepted), azure.throttled) == (1000, 0)
    assert max(azure.accepted) <= 80 * 1.1


@pytest.mark.parametrize("processes", [2, 4, 8])
def test_several_processes_share_by_what_azure_says_is_left(processes: int) -> None:
    """They know nothing of each other. What is refused is sent again, and is little."""
    azure = Azure(WRITES)
    storm(azure, 1000, processes)
    assert len(azure.accepted) == 1000
    assert azure.throttled <= 0.05 * 1000
    assert max(azure.accepted) <= 80 * 1.2


@given(bucket=BUCKETS, now=st.floats(0, 1e6))
def test_the_first_request_waits_for_nothing(bucket: Bucket, now: float) -> None:
    """A lone VM is not held up."""
    assert wait_for(begin(bucket, now), now) == 0


def test_queries_are_spaced_so_that_a_burst_shares_them() -> None:
    """The second one waits three quarters of a second; after a pause there is no wait any more."""
    pace = send(begin(QUERIES, 0.0), 0.0)
    assert wait_for(pace, 0.0) == pytest.approx(0.77, abs=0.01)
    assert wait_for(pace, 2.0) == 0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "hear", "refuse"]), st.floats(0, 30), st.integers(0, 12_000), st.integers(1, 60)
    ),
    max_size=60,
)


@given(bucket=BUCKETS, steps=STEPS)
def test_whatever_azure_answers_nobody_waits_for_ever(bucket: Bucket, steps: list[tuple[str, float, int, int]]) -> None:
    """No longer than the widest space between two requests, or what Azure itself named."""
    now, pace, longest = 0.0, begin(bucket, 0.0), 20 / bucket.refill
    for what, passes, left, number in steps:
        now += passes
        match what:
            case "send":
                now += wait_for(pace, now)
                pace = send(pace, now)
            case "hear":
                pace = hear(pace, now, min(number, pace.sent), left)
            case _:
                pace, longest = refuse(pace, now, passes), max(longest, passes)
        assert wait_for(pace, now) <= longest + 1e-6


def test_a_refusal_is_obeyed_by_all() -> None:
    """Nothing goes out before the time that Azure named, and then not all at once."""
    pace = refuse(send(begin(WRITES, 0.0), 0.0), 1.0, wait=17.0)
    assert wait_for(pace, 1.0) == 17.0
    assert wait_for(send(pace, 18.0), 18.0) > 1.0


def test_requests_that_are_in_line_count() -> None:
    """With ten before it, at ten a second, a request waits a second."""
    pace = hear(send(begin(WRITES, 0.0), 0.0), 0.1, number=1, left=WRITES.left_unused)
    assert wait_for(pace, 0.1, line=10) == pytest.approx(1.0, abs=0.1)


def test_azures_word_outranks_what_we_believe() -> None:
    """Others draw on the same bucket: a full one, as we believe, may be nearly empty."""
    pace = hear(send(begin(WRITES, 0.0), 0.0), 0.2, number=1, left=1)
    assert wait_for(pace, 0.2) > 1.0
    pace = hear(send(pace, 5.0), 5.2, number=2, left=150)
    assert wait_for(send(pace, 10.0), 10.0) < 0.03


def test_an_answer_that_was_overtaken_tells_nothing_new() -> None:
    """The later request was counted by Azure after the earlier one."""
    pace = send(send(begin(WRITES, 0.0), 0.0), 0.0)
    newest = hear(pace, 0.2, number=2, left=100)
    assert hear(newest, 0.3, number=1, left=101) == newest
