"""Step *storage*: what queues and blobs do, on the trial's own account."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING, Final

from spot_responder.trial.field import STORAGE, StepFailedError

if TYPE_CHECKING:
    from spot_responder.trial.field import Field
    from spot_responder.trial.ports import Message, Storage
    from spot_responder.trial.views.observations import Answered

_HIDDEN_S: Final = 3
_LATER_S: Final = 4.0
_SIX_DAYS_S: Final = 6 * 86400
_LONG_S: Final = 60
_NOT_YET: Final = frozenset({403, 404})
"""What a container answers until the login's role takes effect."""


async def storage(field: Field) -> None:
    """Try a queue and a container.

    Raises:
        StepFailedError: if the login gets no way in.
    """
    await field.need(
        "queue to try", f"{field.plan.account}/queueServices/default/queues/{field.plan.tried}", STORAGE, {}
    )
    account = field.azure.storage(field.seen.endpoints)

    async def is_in() -> bool:
        return (await account.put(field.plan.tried, lives_s=1)).is_good

    if not await field.until(is_in, field.waits.role):
        message = f"the login's role at the queues did not take effect within {field.waits.role:.0f} s"
        raise StepFailedError(message)
    await asyncio.sleep(2)
    await _hiding(field, account)
    await _leases(field, account)
    await _blobs(field, account)


async def _hiding(field: Field, account: Storage) -> None:
    field.note("message for a week", await account.put(field.plan.tried, hidden_s=_SIX_DAYS_S, lives_s=-1))
    _go_on(await account.put(field.plan.tried, hidden_s=_HIDDEN_S, lives_s=-1), "a message was not put")
    field.note("message hidden", (await account.receive(field.plan.tried, hidden_s=_LONG_S))[0])
    await asyncio.sleep(_LATER_S)
    answer, message = await account.receive(field.plan.tried, hidden_s=_LONG_S)
    field.note("message shown", answer)
    if message is not None:
        await account.delete(field.plan.tried, message)


async def _leases(field: Field, account: Storage) -> None:
    _go_on(await account.put(field.plan.tried, lives_s=-1), "a message was not put")
    first = await _received(field, account, _LONG_S)
    field.note("received again", (await account.receive(field.plan.tried, hidden_s=1))[0])
    field.note("count with a hidden one", await account.count(field.plan.tried))
    answer, second = await account.update(field.plan.tried, first, hidden_s=_LONG_S)
    _go_on(answer, "a message was not renewed")
    field.note("old receipt", (await account.update(field.plan.tried, first, hidden_s=_LONG_S))[0])
    answer, _ = await account.update(field.plan.tried, second, hidden_s=0)
    _go_on(field.note("new receipt", answer), "a message was not given back")
    field.note("given back", (await account.receive(field.plan.tried, hidden_s=1))[0])
    await asyncio.sleep(2)
    again = await _received(field, account, 1)
    await asyncio.sleep(2)
    field.note("late delete", await account.delete(field.plan.tried, again))


def _go_on(answer: Answered, otherwise: str) -> None:
    """Go on only where it was done: what comes next would tell nothing.

    Raises:
        StepFailedError: if it was not.
    """
    if not answer.is_good:
        message = f"{otherwise}: {answer.told()}"
        raise StepFailedError(message)


async def _received(field: Field, account: Storage, hidden_s: int) -> Message:
    answer, message = await account.receive(field.plan.tried, hidden_s=hidden_s)
    if message is None:
        told = f"a message that was put was not received: {answer.told()}"
        raise StepFailedError(told)
    return message


async def _blobs(field: Field, account: Storage) -> None:
    name = f"tried-{field.plan.run}"

    async def is_in() -> bool:
        answer = field.note("blob created", await account.create_blob(field.plan.container, name, "first"))
        return not answer.tells_nothing and answer.status not in _NOT_YET

    if not await field.until(is_in, field.waits.role):
        message = f"the login's role at the blobs did not take effect within {field.waits.role:.0f} s"
        raise StepFailedError(message)
    field.note("blob created again", await account.create_blob(field.plan.container, name, "second"))
    field.note("blob read", await account.read_blob(field.plan.container, name))
    wrong = base64.b64encode(hashlib.md5(b"something else", usedforsecurity=False).digest())
    field.note(
        "damaged upload", await account.create_blob(field.plan.container, f"{name}-damaged", "content", md5=wrong)
    )
