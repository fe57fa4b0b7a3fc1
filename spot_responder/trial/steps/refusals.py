"""Step *refusals*: requests that Azure refuses without cost: below the price, beyond the quota, against a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import text_field
from spot_responder.intake.vms import PowerState
from spot_responder.trial.field import COMPUTE, LOCKS, StepFailedError
from spot_responder.trial.steps.machine import vm_body

if TYPE_CHECKING:
    from spot_responder.trial.field import Field

_TOO_CHEAP: Final = 0.00001
_LARGE: Final = "Standard_M416ms_v2"
"""416 vCPUs: hardly anybody has such a quota for Spot. Where somebody has it, it is not asked for."""
_CORES: Final = 416
_NOT_FOUND: Final = 404
_POLLS: Final = 60


async def refusals(field: Field) -> None:
    """Provoke them, with the VM deallocated.

    Raises:
        StepFailedError: if the VM cannot be stopped first.
    """
    await _deallocated(field)
    await _locked(field)
    await _too_cheap(field)
    await _too_large(field)


async def _deallocated(field: Field) -> None:
    if field.seen.state() is PowerState.DEALLOCATED:
        return
    await field.ask("stop before the refusals", "POST", f"{field.plan.vm}/deallocate", COMPUTE)
    if not await field.until(lambda: field.seen.state() is PowerState.DEALLOCATED, field.waits.created):
        message = "the VM could not be stopped"
        raise StepFailedError(message)


async def _locked(field: Field) -> None:
    lock = f"{field.plan.vm}/providers/Microsoft.Authorization/locks/trial"
    made = await field.make("lock", lock, LOCKS, {"properties": {"level": "ReadOnly"}})
    if not made.is_good:
        field.seen.missed["start of a locked VM"] = f"no lock: {made.told()}"
        return
    await field.ask("start of a locked VM", "POST", f"{field.plan.vm}/start", COMPUTE)

    async def is_unlocked() -> bool:
        gone = (await field.ask("unlock", "DELETE", lock, LOCKS)).is_good
        if gone:
            field.journal.forget(lock)
        there = await field.azure.ask("GET", lock, LOCKS)
        return gone and there.status == _NOT_FOUND

    if not await field.until(is_unlocked, field.waits.created):
        message = "the lock could not be taken off again"
        raise StepFailedError(message)


async def _too_cheap(field: Field) -> None:
    limit = {"properties": {"billingProfile": {"maxPrice": _TOO_CHEAP}}}
    written = await field.ask("max price", "PATCH", field.plan.vm, COMPUTE, limit)
    if not written.is_good:
        field.seen.missed["start below the price"] = f"the max price could not be written: {written.told()}"
        return
    start = await field.ask("start below the price", "POST", f"{field.plan.vm}/start", COMPUTE)
    address = start.headers.get("azure-asyncoperation", "")
    if not start.is_good or not address:
        return

    async def is_over() -> bool:
        answer = field.note("operation of the refused start", await field.azure.follow(address))
        return text_field(answer.body, "status").lower() not in {"", "inprogress"}

    await field.until(is_over, field.waits.created)
    await field.ask("VM after the refused start", "GET", f"{field.plan.vm}/instanceView", COMPUTE)


async def _too_large(field: Field) -> None:
    """Ask for a VM beyond the quota, where the quota is known to be smaller."""
    path = f"{field.plan.scope}/providers/Microsoft.Compute/locations/{field.plan.location}/usages"
    usages = await field.ask("quota", "GET", path, COMPUTE)
    values = usages.body.get("value", []) if isinstance(usages.body, dict) else []
    limits = [each for each in values if text_field(each, "name", "value").lower() == "lowprioritycores"]
    left = [int(each["limit"]) - int(each["currentValue"]) for each in limits]
    if not left or left[0] >= _CORES:
        field.seen.missed["VM beyond the quota"] = "the quota of Spot cores is not known, or larger than any VM"
        return
    interface = f"{field.plan.group}/providers/Microsoft.Network/networkInterfaces/witness"
    large = f"{field.plan.vm}-large"
    answer = await field.make("VM beyond the quota", large, COMPUTE, vm_body(field, _LARGE, interface))
    if not answer.was_refused:
        await field.ask("VM beyond the quota, deleted", "DELETE", large, COMPUTE)
