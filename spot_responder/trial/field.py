"""What the steps of a trial work with: they ask, create by way of the journal, wait, and note what they saw."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import text_field
from spot_responder.trial.belonging import GROUP_NAME
from spot_responder.trial.journal import Made
from spot_responder.trial.shielding import answered
from spot_responder.trial.views.observations import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from spot_responder.operators.ports import Login
    from spot_responder.trial.journal import Journal
    from spot_responder.trial.ports import Azure
    from spot_responder.trial.views.observations import Answered, Mark, Observations

COMPUTE: Final = "2024-07-01"
RESOURCES: Final = "2022-09-01"
EVENT_GRID: Final = "2025-02-15"
STORAGE: Final = "2023-05-01"
NETWORK: Final = "2024-05-01"
AUTHORIZATION: Final = "2022-04-01"
LOCKS: Final = "2020-05-01"
TAG: Final = "spot-responder-trial"
"""The tag of the resource group; its value is the trial's id."""

_NOT_FOUND: Final = 404
_PAUSE_S: Final = 5.0
"""Resource Graph counts the queries of five seconds."""


class StepFailedError(Exception):
    """A step cannot go on; the message says what was refused."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a trial waits, in seconds.

    ``look``: between two looks at the VM. ``settle``: for what may still come after an eviction or a stop. The others:
    at most for a creation, a role to take effect, the listener inside the VM, an eviction, Resource Graph, a deletion;
    ``late``: for what may still come of a creation that got no answer; ``passing``: for a request that failed in
    passing to be answered otherwise.
    """

    look: float
    created: float
    role: float
    listener: float
    eviction: float
    settle: float
    graph: float
    gone: float
    late: float
    passing: float


IN_AZURE: Final = Waits(
    look=6, created=900, role=900, listener=600, eviction=1900, settle=720, graph=900, gone=2400, late=300, passing=120
)
"""``settle`` is longer than the ten minutes after which an owner's annotation counts (``WEAK_STOP_WINDOW``)."""
ON_LAPTOP: Final = Waits(
    look=1, created=20, role=20, listener=20, eviction=20, settle=4, graph=6, gone=30, late=8, passing=10
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a trial was asked to do, and as whom."""

    run: str
    subscription: str
    location: str
    size: str
    max_price: float
    login: Login

    @property
    def scope(self) -> str:
        """The subscription's id."""
        return f"/subscriptions/{self.subscription}"

    @property
    def group(self) -> str:
        """The resource group's id."""
        return f"{self.scope}/resourceGroups/{GROUP_NAME}{self.run}"

    @property
    def vm(self) -> str:
        """The VM's id."""
        return f"{self.group}/providers/Microsoft.Compute/virtualMachines/witness-{self.run}"

    @property
    def queue(self) -> str:
        """The name of the queue that gets all events about the VM."""
        return f"witness-{self.run}"

    @property
    def tried(self) -> str:
        """The name of the queue that is tried."""
        return f"tried-{self.run}"

    @property
    def container(self) -> str:
        """The name of the container for dead letters."""
        return f"dead-letters-{self.run}"

    @property
    def account(self) -> str:
        """The storage account's id: letters and digits only, 24 at most."""
        return f"{self.group}/providers/Microsoft.Storage/storageAccounts/spottrial{self.run}"


@dataclass(frozen=True, slots=True)
class Field:
    """The ground that the steps share."""

    azure: Azure
    journal: Journal
    plan: Plan
    seen: Observations
    waits: Waits
    now: Callable[[], datetime]
    tell: Callable[[str], None]

    async def ask(  # noqa: PLR0913 - a request has these parts
        self,
        name: str,
        method: str,
        path: str,
        version: str,
        body: Mapping[str, object] | None = None,
        *,
        if_match: str = "",
    ) -> Answered:
        """Ask ARM, and note the answer under a name; again where it failed in passing."""

        async def send() -> Answered:
            answer = await self.azure.ask(method, path, version, body, if_match=if_match)
            if answer.may_be_done:
                self.note(f"{name}{UNANSWERED}", answer)
            return answer

        return self.note(name, await self.persistently(send, None if method == "GET" else _nobody_knows))

    async def ask_once(self, name: str, method: str, path: str, version: str) -> Answered:
        """Ask ARM, and note whatever it answers: a moment later the same question would be about something else."""
        return self.note(name, await self.azure.ask(method, path, version))

    async def query(self, name: str, kql: str) -> Answered:
        """Ask Resource Graph, and note the answer under a name; again where it failed in passing."""
        return self.note(name, await self.persistently(lambda: self.azure.query(self.plan.subscription, kql)))

    async def named_query(self, name: str, file: str, **parameters: str | list[str]) -> Answered:
        """Ask Resource Graph with a file of ``queries/``, as ``query`` does."""
        send = lambda: self.azure.named_query(self.plan.subscription, file, **parameters)  # noqa: E731
        return self.note(name, await self.persistently(send))

    async def persistently(
        self, send: Callable[[], Awaitable[Answered]], was_done: Callable[[], Awaitable[bool]] | None = None
    ) -> Answered:
        """Send a request until its answer tells something, for as long as ``waits.passing``.

        One that got no answer may have been carried out all the same. If it is refused after that, this may be for what
        it did the first time: so it is if ``was_done`` answers yes, which what only reads does without.
        """
        loop = asyncio.get_running_loop()
        until, before = loop.time() + self.waits.passing, None
        while (answer := await send()).tells_nothing:
            pause_s = max(min(_PAUSE_S, self.waits.look), answer.asked_pause_s)
            if loop.time() + pause_s > until:
                return answer
            before = answer if answer.may_be_done else before
            await asyncio.sleep(pause_s)
        is_blurred = before and answer.was_refused and was_done is not None and await was_done()
        return before if before and is_blurred else answer

    def note(self, name: str, answer: Answered) -> Answered:
        """Note an answer under a name."""
        self.seen.answers.setdefault(name, []).append(answer)
        return answer

    def mark(self, mark: Mark) -> None:
        """Note that this moment has come."""
        self.seen.marks.setdefault(mark, self.now())

    async def make(self, name: str, path: str, version: str, body: Mapping[str, object]) -> Answered:
        """Create a resource: first in the journal, then in Azure. Whatever ends the step, its answer is awaited.

        Raises:
            StepFailedError: if the journal cannot be written; then it is not created.
        """

        async def is_there() -> bool:
            return (await self.persistently(lambda: self.azure.ask("GET", path, version))).status != _NOT_FOUND

        send = lambda: self._made(name, path, version, body)  # noqa: E731
        return self.note(name, await self.persistently(send, is_there))

    async def _made(self, name: str, path: str, version: str, body: Mapping[str, object]) -> Answered:
        key = path.lower()
        may_be_there = any(made.resource_id.lower() == key for made in self.journal.remains())
        try:
            self.journal.note(Made(path, version, self.plan.run))
        except OSError as error:
            message = f"{name}: it was not created, for the record of it cannot be written: {error}"
            raise StepFailedError(message) from error
        answer, cancelled = await answered(self.azure.ask("PUT", path, version, body))
        if answer.was_refused and not may_be_there:
            # It was refused, so it is not there. After an error inside Azure, or an answer that was lost, it may be:
            # then a second request is refused because of what the first one made.
            self.journal.forget(path)
        elif answer.is_good:
            self.journal.confirm(path)
        if cancelled:
            self.note(name, answer)
            raise asyncio.CancelledError
        return answer

    async def need(self, name: str, path: str, version: str, body: Mapping[str, object]) -> Answered:
        """Create a resource that the step cannot do without, and wait until it is provisioned.

        Raises:
            StepFailedError: if it was refused, or is not provisioned in time.
        """
        answer = await self.make(name, path, version, body)
        if not answer.is_good:
            message = f"{name}: {answer.told()}"
            raise StepFailedError(message)

        async def is_there() -> bool:
            nonlocal answer
            state = text_field(answer.body, "properties", "provisioningState").lower()
            if answer.is_good and state in {"failed", "canceled"}:
                message = f"{name}: its creation ended as {state}"
                raise StepFailedError(message)
            if answer.is_good and state in {"", "succeeded"} and isinstance(answer.body, dict):
                return True
            answer = await self.azure.ask("GET", path, version)
            return False

        if not await self.until(is_there, self.waits.created):
            message = f"{name}: not provisioned within {self.waits.created:.0f} s"
            raise StepFailedError(message)
        return answer

    async def until(self, is_so: Callable[[], object], patience_s: float) -> bool:
        """Wait until something is so; give whether it came to be. ``is_so`` may be a coroutine function."""
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    found = is_so()
                    if await found if asyncio.iscoroutine(found) else found:
                        return True
                    await asyncio.sleep(min(self.waits.look, 1) / 4)
        except TimeoutError:
            return False


async def _nobody_knows() -> bool:
    """Answer for an action, which leaves nothing behind that could be looked at."""
    return True
