"""Token buckets: how many requests Azure lets through, and when the next ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.resource_manager.limits import GET_OPERATION, LOW_COST_GET, UPDATE_VM, Limits
from localazure.resource_manager.token_buckets import Rate, TokenBucket, whole_seconds
from localazure.world.azure_errors import Refused

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_a_vm_can_be_started_twelve_times_and_then_four_times_a_minute() -> None:
    """Twelve starts of one VM go through at once; the next four only after a minute."""
    limits = Limits()
    for _ in range(12):
        limits.take_compute(UPDATE_VM, "vm", "sub", "westeurope", NOW)
    with pytest.raises(Refused) as refused:
        limits.take_compute(UPDATE_VM, "VM", "sub", "westeurope", NOW + timedelta(seconds=18))
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "42")
    for _ in range(4):
        limits.take_compute(UPDATE_VM, "vm", "sub", "westeurope", NOW + MINUTE)
    with pytest.raises(Refused):
        limits.take_compute(UPDATE_VM, "vm", "sub", "westeurope", NOW + MINUTE)


def test_the_subscription_has_a_bucket_of_its_own_in_each_region() -> None:
    """Fifteen hundred starts of different VMs use up a region's bucket, and leave another region's full."""
    limits = Limits()
    for number in range(1500):
        limits.take_compute(UPDATE_VM, f"vm{number}", "sub", "westeurope", NOW)
    with pytest.raises(Refused, match="too many requests") as refused:
        limits.take_compute(UPDATE_VM, "another", "sub", "westeurope", NOW)
    assert refused.value.details[0]["target"] == "UpdateVMSubscriptionMaximum"
    assert limits.take_compute(UPDATE_VM, "another", "sub", "northeurope", NOW)


def test_a_refused_request_costs_nothing() -> None:
    """Where the subscription's bucket is empty, the VM's own keeps its tokens."""
    limits = Limits()
    for number in range(1500):
        limits.take_compute(UPDATE_VM, f"vm{number}", "sub", "westeurope", NOW)
    with pytest.raises(Refused):
        limits.take_compute(UPDATE_VM, "late", "sub", "westeurope", NOW)
    left = limits.take_compute(UPDATE_VM, "late", "sub", "westeurope", NOW + MINUTE)
    assert "UpdateVMResource;11" in left["x-ms-ratelimit-remaining-resource"]


@pytest.mark.parametrize(("policy", "size"), [(UPDATE_VM, 12), (LOW_COST_GET, 36), (GET_OPERATION, 45)])
def test_each_policy_has_the_documented_size(policy: object, size: int) -> None:
    """The first request leaves one less than the documented number."""
    left = Limits().take_compute(policy, "vm", "sub", "westeurope", NOW)  # type: ignore[arg-type]
    assert f"Resource;{size - 1}," in left["x-ms-ratelimit-remaining-resource"]


def test_arm_refills_every_second() -> None:
    """Two hundred writes go through; after a second, ten more."""
    limits = Limits()
    for _ in range(200):
        limits.take_arm("POST", "responder", "sub", "a/b/action", NOW)
    with pytest.raises(Refused, match="ResourceRequestsThrottled"):
        limits.take_arm("POST", "responder", "sub", "a/b/action", NOW)
    for _ in range(10):
        limits.take_arm("POST", "responder", "sub", "a/b/action", NOW + timedelta(seconds=1))
    with pytest.raises(Refused):
        limits.take_arm("POST", "responder", "sub", "a/b/action", NOW + timedelta(seconds=1))
    assert limits.take_arm("POST", "owner", "sub", "a/b/action", NOW)


def test_the_graph_takes_fifteen_queries_in_five_seconds() -> None:
    """The sixteenth is refused with the time to wait; five seconds after the first all fifteen are back."""
    limits = Limits()
    for _ in range(15):
        limits.take_graph("responder", NOW)
    with pytest.raises(Refused) as refused:
        limits.take_graph("responder", NOW + timedelta(seconds=3.5))
    assert refused.value.headers["x-ms-user-quota-resets-after"] == "00:00:02"
    assert limits.take_graph("responder", NOW + timedelta(seconds=5))["x-ms-user-quota-remaining"] == "14"


@given(
    waits=st.lists(st.integers(0, 300), max_size=60),
    size=st.integers(1, 20),
    refill=st.integers(1, 20),
    period=st.integers(1, 120),
)
def test_never_more_than_the_bucket_and_its_refills(waits: list[int], size: int, refill: int, period: int) -> None:
    """Whatever the rhythm of requests, no more go through than the bucket held and got back."""
    bucket, now, taken = TokenBucket(Rate(size, refill, timedelta(seconds=period)), NOW), NOW, 0
    for wait in waits:
        now += timedelta(seconds=wait)
        if bucket.remaining(now) > 0:
            bucket.take(now)
            taken += 1
        assert 0 <= bucket.remaining(now) <= size
        assert bucket.until_refill(now) <= timedelta(seconds=period)
    elapsed = int((now - NOW).total_seconds())
    assert taken <= size + refill * (elapsed // period)


@given(st.floats(0, 10_000))
def test_a_wait_told_in_seconds_is_never_too_short(seconds: float) -> None:
    """Whoever waits as long as told finds tokens: waits are rounded up."""
    assert whole_seconds(timedelta(seconds=seconds)) >= timedelta(seconds=seconds).total_seconds()
