"""Looks at the Spot VMs of a subscription again and again, and notes what changes: ``trial --watch``. It only reads."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import moment, text_field
from spot_responder.intake.vms import PowerState
from spot_responder.trial.views.observations import Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from spot_responder.trial.ports import Azure
    from spot_responder.trial.views.observations import Observations

_BATCH: Final = 100
_LOG_EVERY: Final = 20
"""The activity log changes by minutes, and counts as a request to another service."""
_LOG_LAGS: Final = timedelta(minutes=20)
"""So late may entries come."""
_LOG_VERSION: Final = "2015-04-01"
_LOG: Final = "providers/Microsoft.Insights/eventtypes/management/values"


async def watch_fleet(
    azure: Azure, subscription: str, seen: Observations, now: Callable[[], datetime], every_s: float
) -> None:
    """Look until cancelled."""
    number = 0
    while True:
        await _look(azure, subscription, seen)
        if number % _LOG_EVERY == 0:
            await _read_log(azure, subscription, seen, now())
        number += 1
        await asyncio.sleep(every_s)


async def _look(azure: Azure, subscription: str, seen: Observations) -> None:
    answers = [await azure.named_query(subscription, "spot")]
    ids = [text_field(row, "id") for row in answers[0].rows]
    for first in range(0, len(ids), _BATCH):
        answer = await azure.named_query(subscription, "confirm", vm_ids=ids[first : first + _BATCH])
        answers.append(answer)
        for row in answer.rows:
            seen.show(_shown(row, answer.at))
    refused = next((each for each in answers if not each.is_good), None)
    if refused is not None:
        seen.missed["fleet"] = f"Resource Graph: {refused.told()}"


def _shown(row: Mapping[str, object], at: datetime) -> Shown:
    state = PowerState.parse(text_field(row, "powerState"))
    annotated_at = moment(text_field(row, "annotatedAt"))
    return Shown(at, text_field(row, "id").lower(), state, text_field(row, "annotation"), annotated_at)


async def _read_log(azure: Azure, subscription: str, seen: Observations, at: datetime) -> None:
    """Read what Compute did of late; only the first page, which has the newest."""
    since = (at - _LOG_LAGS).strftime("%Y-%m-%dT%H:%M:%SZ")
    wanted = f"eventTimestamp%20ge%20'{since}'%20and%20resourceProvider%20eq%20'Microsoft.Compute'"
    answer = await azure.ask("GET", f"/subscriptions/{subscription}/{_LOG}?$filter={wanted}", _LOG_VERSION)
    seen.answers.setdefault("activity log", []).append(answer)
