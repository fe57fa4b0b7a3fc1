"""In step *eviction*: the evicted VM is given another size, and its own again. It does not run meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import text_field
from spot_responder.trial.field import COMPUTE, StepFailedError
from spot_responder.trial.views.about_sizes import CHANGE, OWN_SIZE

if TYPE_CHECKING:
    from spot_responder.trial.field import Field

_UNFIT: Final = "the list of sizes has no other one of the family that Spot offers"


async def change_size(field: Field, annotations: str) -> None:
    """Change it there and back, and look at the VM in between. ``annotations``: the query for those of the VM.

    Raises:
        StepFailedError: if the VM does not get its own size back.
    """
    vm, other = f"{field.plan.vm}?$expand=instanceView", field.seen.other_size
    if not other:
        field.seen.missed[CHANGE] = _UNFIT
        return
    await field.ask("VM before the change of size", "GET", vm, COMPUTE)
    if not await _patch(field, other):
        return
    if await _has(field, other):
        await field.ask("VM of another size", "GET", vm, COMPUTE)
        await field.query("annotations after the change of size", annotations)
    else:
        field.seen.missed[CHANGE] = f"{other} was accepted, and not shown within {field.waits.created:.0f} s"
    if not (await _patch(field, field.plan.size) and await _has(field, field.plan.size)):
        message = f"the VM was not given its own size again ({field.seen.missed.get(CHANGE, 'not in time')})"
        field.seen.missed[OWN_SIZE] = message
        raise StepFailedError(message)


async def change_with_old_etag(field: Field) -> None:
    """Ask that the VM have the size that it has, if it is as it was before it was started."""
    before = field.seen.last("VM before the start")
    etag = text_field(before.body, "etag") if before else ""
    if not etag:
        field.seen.missed["change with the old ETag"] = "the VM has no ETag"
        return
    body = _body(field.plan.size)
    await field.ask("change with the old ETag", "PATCH", field.plan.vm, COMPUTE, body, if_match=etag)


async def _patch(field: Field, size: str) -> bool:
    answer = await field.ask(CHANGE, "PATCH", field.plan.vm, COMPUTE, _body(size))
    if not answer.is_good:
        field.seen.missed[CHANGE] = f"{size}: {answer.told()}"
    return answer.is_good


async def _has(field: Field, size: str) -> bool:
    async def is_so() -> bool:
        body = (await field.azure.ask("GET", field.plan.vm, COMPUTE)).body
        given = text_field(body, "properties", "hardwareProfile", "vmSize")
        state = text_field(body, "properties", "provisioningState")
        return given.lower() == size.lower() and state.lower() == "succeeded"

    return await field.until(is_so, field.waits.created)


def _body(size: str) -> dict[str, object]:
    return {"properties": {"hardwareProfile": {"vmSize": size}}}
