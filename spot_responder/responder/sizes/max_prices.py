"""Compares the max prices of covered VMs with today's Spot prices with each sweep, and tells once what fell behind.

A VM whose max price is below the Spot price is not started by Azure, and one that runs is evicted. Called by
``responder.py``; ``offerings/price_alerts.py`` has the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spot_responder.decisions.app_health.app_failures import Activity, Failing
from spot_responder.offerings.price_alerts import alert_of
from spot_responder.responder.failure_notes import FailureNotes
from spot_responder.responder.log import log_price_alert
from spot_responder.responder.ports import AzureRefusedError, StoreFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from spot_responder.intake.vms import VmId
    from spot_responder.offerings.price_alerts import PriceAlert
    from spot_responder.offerings.priced_vms import PricedVm
    from spot_responder.responder.ports import Ports
    from spot_responder.responder.publish import Publisher
    from spot_responder.responder.sizes.spot_prices import SpotPrices


@dataclass(slots=True)
class MaxPrices:
    """One comparison of all covered VMs. ``clock`` gives the time in UTC."""

    ports: Ports
    prices: SpotPrices
    publisher: Publisher
    restart_tag: str
    clock: Callable[[], datetime]
    _refusal: AzureRefusedError | None = None

    async def compare(self) -> None:
        """Compare, keep and publish. What keeps the app from it is noted, and told once it lasts."""
        try:
            await self._compare()
        except AzureRefusedError as refusal:
            self._refusal = refusal
        except StoreFailedError as failed:
            await self._failing(str(failed))
            return
        if self._refusal is not None:
            await self._failing(str(self._refusal))
        else:
            await FailureNotes(self.ports.store).success(Activity.PRICES)

    async def _failing(self, why: str) -> None:
        now = self.clock()
        await FailureNotes(self.ports.store).failing(Failing(Activity.PRICES, now, now, why))

    async def _compare(self) -> None:
        kept = {alert.vm_id: alert for alert in await self.ports.pricing.alerts.all()}
        shown = await self.ports.graph.priced_vms(self.restart_tag)
        for vm in shown:
            if vm.max_price is not None:
                await self._compare_one(vm, kept.get(vm.vm_id))
        await self._forget(kept, shown)

    async def _compare_one(self, vm: PricedVm, before: PriceAlert | None) -> None:
        alert, alerts = alert_of(vm, await self._spot(vm), before, self.clock()), self.ports.pricing.alerts
        if alert is None:
            if before is not None:
                await alerts.forget(vm.vm_id)
            return
        if alert != before:
            # Before it is published: after a crash it is published once more, with the same id.
            await alerts.save(alert)
        if alert.is_due:
            log_price_alert(alert)
            if await self.publisher.price_alert(alert):
                await alerts.save(alert.is_told())

    async def _spot(self, vm: PricedVm) -> float | None:
        """Give the Spot price; once the list did not answer, the others are not asked for in this sweep."""
        if self._refusal is not None:
            return None
        try:
            return await self.prices.of(vm.location, vm.size, vm.os)
        except AzureRefusedError as refusal:
            self._refusal = refusal
            return None

    async def _forget(self, kept: dict[VmId, PriceAlert], shown: Sequence[PricedVm]) -> None:
        """Forget the alerts of VMs without a limit, and those that no sweep could compare for a day."""
        without_limit = {vm.vm_id for vm in shown if vm.max_price is None}
        for vm_id, alert in kept.items():
            if vm_id in without_limit or not alert.holds(self.clock()):
                await self.ports.pricing.alerts.forget(vm_id)
