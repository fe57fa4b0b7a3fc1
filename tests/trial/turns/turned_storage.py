"""Azurite told to be otherwise, one belief at a time: between a trial and its storage account.

In real time, for Azurite goes by a clock of its own: a message is hidden for as long as it is. So these trials run
beside each other, and only as far as their step *storage*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

from spot_responder.trial.run import run_trial
from spot_responder.trial.views.checks import judged, steps_for
from tests.trial.harness.trials import SOON, open_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from localazure.trial.ground import Beneath
    from spot_responder.trial.ports import Azure, Message, Storage
    from spot_responder.trial.views.observations import Answered
    from spot_responder.trial.views.verdicts import Found

type Requests = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class _Turned:
    """A port, some of whose requests are made otherwise."""

    port: object
    otherwise: Requests

    def __getattr__(self, name: str) -> object:
        return self.otherwise.get(name) or getattr(self.port, name)


def _turned_azure(azure: Azure, turning: Callable[[Storage], Requests]) -> Azure:
    """Give a trial's Azure whose storage account is otherwise."""

    def storage(endpoints: Mapping[str, str]) -> Storage:
        account = azure.storage(endpoints)
        return cast("Storage", _Turned(account, turning(account)))

    return cast("Azure", _Turned(azure, {"storage": storage}))


def _never_hidden(account: Storage) -> Requests:
    async def put(queue: str, *, lives_s: int, **_: int) -> Answered:
        return await account.put(queue, lives_s=lives_s)

    return {"put": put}


def _received_by_two(account: Storage) -> Requests:
    received: list[Message] = []

    async def receive(queue: str, *, hidden_s: int) -> tuple[Answered, Message | None]:
        answer, message = await account.receive(queue, hidden_s=hidden_s)
        if message is None and received:
            return replace(answer, body="seen"), received[-1]
        received.extend([message] if message else [])
        return answer, message

    return {"receive": receive}


def _given_back_late(account: Storage) -> Requests:
    async def update(queue: str, message: Message, *, hidden_s: int) -> tuple[Answered, Message]:
        return await account.update(queue, message, hidden_s=hidden_s or 1)

    return {"update": update}


def _loss_told_otherwise(account: Storage) -> Requests:
    async def update(queue: str, message: Message, *, hidden_s: int) -> tuple[Answered, Message]:
        answer, renewed = await account.update(queue, message, hidden_s=hidden_s)
        return (answer if answer.is_good else replace(answer, status=409)), renewed

    return {"update": update}


def _not_deleted_late(account: Storage) -> Requests:
    async def delete(queue: str, message: Message) -> Answered:
        return replace(await account.delete(queue, message), status=404)

    return {"delete": delete}


def _two_winners(account: Storage) -> Requests:
    async def create_blob(container: str, name: str, text: str, *, md5: bytes | None = None) -> Answered:
        answer = await account.create_blob(container, name, text, md5=md5)
        return answer if md5 else replace(answer, status=201)

    return {"create_blob": create_blob}


def _damage_not_seen(account: Storage) -> Requests:
    async def create_blob(container: str, name: str, text: str, **_: bytes) -> Answered:
        return await account.create_blob(container, name, text)

    return {"create_blob": create_blob}


def _hidden_not_counted(account: Storage) -> Requests:
    async def count(queue: str) -> Answered:
        return replace(await account.count(queue), body=0)

    return {"count": count}


STORAGE_TURNINGS: Final[Mapping[str, Callable[[Storage], Requests]]] = {
    "Q2": _never_hidden,
    "W1": _received_by_two,
    "W2": _given_back_late,
    "W3": _loss_told_otherwise,
    "W4": _not_deleted_late,
    "W8": _two_winners,
    "W10": _damage_not_seen,
    "W11": _hidden_not_counted,
}


async def tried_storage(folder: Path, beneath: Beneath, number: int, belief: str = "") -> Mapping[str, Found]:
    """Try storage, with a belief about it turned, or none; give the verdicts.

    Raises:
        AssertionError: if the trial has left something behind.
    """
    turning = STORAGE_TURNINGS.get(belief, lambda _: {})
    async with open_trial(folder, beneath, f"{number:08x}", waits=SOON) as here:
        field = replace(here.field, azure=_turned_azure(here.field.azure, turning))
        course, left = await run_trial(field, steps_for(frozenset(STORAGE_TURNINGS)), keep=False)
        assert left == []
        assert field.journal.remains() == []
        return judged(field.seen, frozenset(), course.failed.items())
