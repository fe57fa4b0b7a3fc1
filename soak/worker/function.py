"""The process of a function, in virtual time: what its job's body says, it does: steps, saves, failures, death."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from spot_worker.deciding.conversation import (
    Died,
    Done,
    Failed,
    FetchAsked,
    FileSaved,
    LoadAsked,
    Loaded,
    Refused,
    Returned,
    StateSaved,
    StoppedAtSafePoint,
    SubmitAsked,
)
from spot_worker.deciding.record.pointers import Kind
from spot_worker.running.ports import WarmUpError

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_worker.deciding.conversation import Answer, Said, Task

    from soak.worker.wire import Wire

INTERVAL_S: Final = 8.0
"""Between two checkpoints of a function that saves when it is due."""

_IMPORT_S: Final = 0.7


class Witness(Protocol):
    """Who hears what functions do."""

    def is_given(self, who: str, task: Task) -> None:
        """Hear that a process is given a job."""

    def begins(self, who: str, task: Task, done: int) -> None:
        """Hear that a function begins, with so many steps done by earlier attempts."""

    def works(self, task: Task, steps: int) -> None:
        """Hear that it has done so many steps."""

    def tries_to_save(self, task: Task, steps: int) -> None:
        """Hear that ``save`` is called for so many steps."""

    def saves(self, task: Task, steps: int) -> None:
        """Hear that ``save`` returned for so many steps."""

    def reads_rubbish(self, task: Task) -> None:
        """Hear that ``load`` gave what nobody had saved."""

    def ends(self, task: Task, said: Said) -> None:
        """Hear how it ended, by its own word."""


@dataclass(slots=True)
class VirtualChild:
    """A process that runs one function after the other."""

    who: str
    wire: Wire
    disk: dict[str, bytes]
    witness: Witness
    _said: asyncio.Queue[Said] = field(default_factory=asyncio.Queue)
    _answers: asyncio.Queue[Answer] = field(default_factory=asyncio.Queue)
    _running: asyncio.Task[None] | None = None
    _is_to_stop: bool = False
    _is_dead: bool = False

    def is_alive(self) -> bool:
        """Whether it can be given a job."""
        return not self._is_dead

    async def begin(self, task: Task) -> None:
        """Give it a job."""
        self.witness.is_given(self.who, task)
        self._is_to_stop = False
        self._running = asyncio.get_running_loop().create_task(self._plays(task))

    async def hear(self) -> Said:
        """Wait for the next thing that it says."""
        if self._is_dead and self._said.empty():
            return Died("it was killed")
        said = await self._said.get()
        await self.wire.stand_still()
        return said

    async def answer(self, answer: Answer) -> None:
        """Answer what was heard last."""
        await self.wire.stand_still()
        self._answers.put_nowait(answer)

    def ask_to_stop(self) -> None:
        """Let the function see that it is to stop."""
        self._is_to_stop = True

    async def kill(self) -> None:
        """End it at once."""
        self.dies()

    def dies(self) -> None:
        """End, whoever did it."""
        if self._running is not None:
            self._running.cancel()
        if not self._is_dead:
            self._is_dead = True
            self._said.put_nowait(Died("signal 9"))

    async def _plays(self, task: Task) -> None:
        said = await self._played(task)
        if said is None:
            self.dies()
            return
        await self.wire.stand_still()
        self.witness.ends(task, said)
        self._said.put_nowait(said)

    async def _played(self, task: Task) -> Said | None:
        """Do what the body says; ``None``: die of it."""
        body = body_of(task)
        listed: list[SubmitAsked] = []
        try:
            done = await self._loaded(task, listed)
        except _RefusedError as refused:
            return Failed(str(refused))
        self.witness.begins(self.who, task, done)
        saved_at = asyncio.get_running_loop().time()
        for step in range(done + 1, body["steps"] + 1):
            await asyncio.sleep(body["step_s"])
            await self.wire.stand_still()
            self.witness.works(task, step)
            listed.extend(_submitted_at(body, step))
            if step == body["troubled_at"] and task.attempt <= body["troubles"]:
                if body["trouble"] == "kills":
                    self.wire.die()
                    await self.wire.stand_still()
                return _trouble(body)
            if body["saves"] == "always" or (body["saves"] == "due" and self._is_due(saved_at)):
                try:
                    answer = await self._save(task, step, tuple(listed))
                except _RefusedError as refused:
                    return Failed(str(refused))
                saved_at = asyncio.get_running_loop().time()
                if answer.stops:
                    return StoppedAtSafePoint()
            if self._is_to_stop and body["looks"]:
                return StoppedAtSafePoint()
        return _returned(task, tuple(listed))

    @staticmethod
    def _is_due(saved_at: float) -> bool:
        return asyncio.get_running_loop().time() - saved_at >= INTERVAL_S

    async def _loaded(self, task: Task, listed: list[SubmitAsked]) -> int:
        if body_of(task).get("input"):
            await self._ask(FetchAsked(body_of(task)["input"], "input"))
        path = f"work/{task.job_id}/loaded"
        loaded = await self._ask(LoadAsked(path))
        if not isinstance(loaded, Loaded):
            raise _RefusedError(str(loaded))
        if loaded.kind is None:
            return 0
        if loaded.has_lists:
            listed[:] = loaded.submitted
        text = loaded.text if loaded.kind is Kind.STATE else self.disk[path].decode()
        try:
            return int(json.loads(text)["done"])
        except ValueError:
            self.witness.reads_rubbish(task)
            return 0

    async def _save(self, task: Task, step: int, listed: tuple[SubmitAsked, ...]) -> Done:
        self.witness.tries_to_save(task, step)
        state = {"done": step, "filler": "x" * body_of(task)["size"]}
        text = json.dumps(state)
        if body_of(task)["is_file"]:
            path = f"work/{task.job_id}/state-{step}"
            self.disk[path] = text.encode()
            digest = hashlib.sha256(text.encode()).hexdigest()
            answer = await self._ask(FileSaved(path, digest, len(text), listed))
        else:
            answer = await self._ask(StateSaved(text, listed))
        if not isinstance(answer, Done):
            raise _RefusedError(str(answer))
        if not answer.stops:
            # Where the function is to stop, what does not fit into the time left is not saved: ``save`` never returns.
            self.witness.saves(task, step)
        return answer

    async def _ask(self, said: Said) -> Answer:
        await self.wire.stand_still()
        self._said.put_nowait(said)
        answer = await self._answers.get()
        await self.wire.stand_still()
        if isinstance(answer, Refused):
            raise _RefusedError(answer.why)
        return answer


def body_of(task: Task) -> dict[str, Any]:
    """Give what a job is to do; a message of somebody else has it as text."""
    body: dict[str, Any] = json.loads(task.body) if isinstance(task.body, str) else task.body
    return body


class _RefusedError(Exception):
    """What the function asked for cannot be done."""


def _trouble(body: dict[str, Any]) -> Said | None:
    if body["trouble"] == "dies":
        return None
    return Failed("ValueError: the job's own failure", is_permanent=body["trouble"] == "permanent")


def _submitted_at(body: dict[str, Any], step: int) -> list[SubmitAsked]:
    """Give what is submitted in a step: one job in each, and in the last one those that are left."""
    nexts = [SubmitAsked(one["queue"], one["body"]) for one in body["nexts"]]
    return nexts[step - 1 :] if step == body["steps"] else nexts[step - 1 : step]


def _returned(task: Task, nexts: tuple[SubmitAsked, ...]) -> Returned:
    inputs = (body_of(task)["input"],) if body_of(task).get("input") else ()
    return Returned(json.dumps({"job": task.job_id, "steps": body_of(task)["steps"]}), nexts, inputs)


@dataclass(slots=True)
class VirtualChildren:
    """Where processes of functions come from. ``breaks``: whether the function cannot be imported now."""

    who: str
    wire: Wire
    disk: dict[str, bytes]
    witness: Witness
    breaks: Callable[[], bool]
    started: list[VirtualChild] = field(default_factory=list)

    async def start(self, slot: int) -> VirtualChild:
        """Start one, and let it import the function."""
        del slot
        await self.wire.stand_still()
        await asyncio.sleep(_IMPORT_S)
        await self.wire.stand_still()
        if self.breaks():
            message = "ModuleNotFoundError: No module named 'render'"
            raise WarmUpError(message)
        child = VirtualChild(self.who, self.wire, self.disk, self.witness)
        self.started.append(child)
        return child

    def die(self) -> None:
        """End them all, as their parent did."""
        for child in self.started:
            child.dies()
