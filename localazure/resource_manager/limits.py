"""The documented limits of ARM, Compute and Resource Graph, and the headers that say what is left of them.

Called for each request by ``access.py`` and, in virtual time, by the doubles.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from localazure.resource_manager.token_buckets import Buckets, Rate, TokenBucket, whole_seconds
from localazure.world.azure_errors import Refused
from localazure.world.timestamps import offset_time

if TYPE_CHECKING:
    from datetime import datetime

_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)

# ARM: per principal and subscription; the "global" ones are 15 times as large (docs/azure-facts.md arm-9).
_ARM_RATES: Final = {"reads": Rate(250, 25, _SECOND), "writes": Rate(200, 10, _SECOND)}
_GLOBAL_FACTOR: Final = 15

GRAPH_RATE: Final = Rate(15, 15, timedelta(seconds=5))


@dataclass(frozen=True, slots=True)
class Policy:
    """One of Compute's policies: a bucket for each resource and one for each subscription and region."""

    name: str
    per_resource: Rate | None
    per_subscription: Rate


# The buckets of the Compute resource provider: docs/azure-facts.md arm-10.
UPDATE_VM: Final = Policy("UpdateVM", Rate(12, 4, _MINUTE), Rate(1500, 500, _MINUTE))
DELETE_VM: Final = Policy("DeleteVM", Rate(12, 4, _MINUTE), Rate(1500, 500, _MINUTE))
LOW_COST_GET: Final = Policy("LowCostGet", Rate(36, 12, _MINUTE), Rate(24000, 8000, _MINUTE))
HIGH_COST_GET: Final = Policy("HighCostGet", None, Rate(900, 300, _MINUTE))
GET_OPERATION: Final = Policy("GetOperation", Rate(45, 15, _MINUTE), Rate(15000, 5000, _MINUTE))


class Limits:
    """Counts the requests of every principal, and says no when there were too many."""

    def __init__(self) -> None:
        """Begin with full buckets."""
        self._buckets = Buckets()
        self.spared: frozenset[Policy] = frozenset()
        """Compute's policies that do not count: a test may look at a VM more often than anybody does."""

    def take_arm(self, method: str, principal: str, subscription: str, action: str, now: datetime) -> dict[str, str]:
        """Count one request to ARM and give its headers; raises ``Refused`` 429 ``ResourceRequestsThrottled``."""
        kind = "reads" if method == "GET" else "writes"
        rate = _ARM_RATES[kind]
        wide = Rate(rate.size * _GLOBAL_FACTOR, rate.refill * _GLOBAL_FACTOR, rate.period)
        own = self._buckets.bucket((kind, principal, subscription), rate, now)
        whole = self._buckets.bucket((kind, "global", subscription), wide, now)
        if own.remaining(now) == 0 or whole.remaining(now) == 0:
            raise _arm_throttled(action, rate, own if own.remaining(now) == 0 else whole, now)
        own.take(now)
        whole.take(now)
        return {
            f"x-ms-ratelimit-remaining-subscription-{kind}": str(own.remaining(now)),
            f"x-ms-ratelimit-remaining-subscription-global-{kind}": str(whole.remaining(now)),
        }

    def take_compute(
        self, policy: Policy, resource: str, subscription: str, location: str, now: datetime
    ) -> dict[str, str]:
        """Count one request to Compute and give its header; raises ``Refused`` 429, in Compute's flat shape."""
        if policy in self.spared:
            return {}
        keys = {
            f"{policy.name}Resource": (policy.per_resource, (policy.name, resource.lower())),
            f"{policy.name}SubscriptionMaximum": (policy.per_subscription, (policy.name, subscription, location)),
        }
        buckets = {
            name: (rate, self._buckets.bucket(key, rate, now)) for name, (rate, key) in keys.items() if rate is not None
        }
        for name, (rate, bucket) in buckets.items():
            if bucket.remaining(now) == 0:
                raise _compute_throttled(name, rate, bucket, now)
        for _, bucket in buckets.values():
            bucket.take(now)
        left = ",".join(f"Microsoft.Compute/{name};{bucket.remaining(now)}" for name, (_, bucket) in buckets.items())
        return {"x-ms-ratelimit-remaining-resource": left}

    def take_graph(self, principal: str, now: datetime) -> dict[str, str]:
        """Count one Resource Graph query and give its headers; raises ``Refused`` 429 ``RateLimiting``."""
        bucket = self._buckets.bucket(("graph", principal), GRAPH_RATE, now)
        if bucket.remaining(now) == 0:
            raise _graph_throttled(_graph_headers(bucket, now), now)
        bucket.take(now)
        return _graph_headers(bucket, now)


def _graph_headers(bucket: TokenBucket, now: datetime) -> dict[str, str]:
    seconds = whole_seconds(bucket.until_refill(now))
    return {
        "x-ms-user-quota-remaining": str(bucket.remaining(now)),
        "x-ms-user-quota-resets-after": f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}",
    }


def _arm_throttled(action: str, rate: Rate, bucket: TokenBucket, now: datetime) -> Refused:
    seconds = whole_seconds(bucket.until_refill(now))
    return Refused(
        429,
        "ResourceRequestsThrottled",
        f"Number of requests for action '{action}' exceeded the limit of '{rate.size}' for time interval "
        f"'{rate.period * rate.size / rate.refill}'. Please try again after '{seconds}' seconds.",
        headers={"Retry-After": str(seconds)},
    )


def _compute_throttled(name: str, rate: Rate, bucket: TokenBucket, now: datetime) -> Refused:
    wait = bucket.until_refill(now)
    measured = {
        "operationGroup": name,
        "startTime": offset_time(now + wait - rate.period),
        "endTime": offset_time(now + wait),
        "allowedRequestCount": rate.size,
        "measuredRequestCount": rate.size + 1,
    }
    return Refused(
        429,
        "OperationNotAllowed",
        "The server rejected the request because too many requests have been received for this subscription.",
        headers={
            "Retry-After": str(whole_seconds(wait)),
            "x-ms-ratelimit-remaining-resource": f"Microsoft.Compute/{name};0",
        },
        details=[{"code": "TooManyRequests", "target": name, "message": json.dumps(measured)}],
        flat=True,
    )


def _graph_throttled(headers: dict[str, str], now: datetime) -> Refused:
    return Refused(
        429,
        "RateLimiting",
        f"Please provide below info when asking for support: timestamp = {offset_time(now)}.",
        headers=headers,
        details=[
            {
                "code": "RateLimiting",
                "message": "Client application has been throttled and should not attempt to repeat the request until "
                "an amount of time has elapsed. Please see https://aka.ms/resourcegraph-throttling for help.",
            }
        ],
    )
