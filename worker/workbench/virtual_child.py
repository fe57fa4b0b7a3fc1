"""The process of a function in virtual time: it does what a test's function says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Callable

from spot_worker.deciding.conversation import Answer, Died, Returned, Said, Task


class VirtualChild:
    """A process, which does what the test's function says."""

    def __init__(self, function: Function) -> None:
        """Wait for the first job."""
        self._function, self._is_dead = function, False
        self._said: asyncio.Queue[Said] = asyncio.Queue()
        self._answers: asyncio.Queue[Answer] = asyncio.Queue()
        self._working: asyncio.Task[None] | None = None
        self.is_asked_to_stop = asyncio.Event()

    def is_alive(self) -> bool:
        """Whether it can be given a job."""
        return not self._is_dead

    async def begin(self, task: Task) -> None:
        """Give it a job."""
        self._working = asyncio.ensure_future(self._work(task))

    async def hear(self) -> Said:
        """Wait for the next thing that it says."""
        return await self._said.get()

    async def answer(self, answer: Answer) -> None:
        """Answer it."""
        self._answers.put_nowait(answer)

    async def ask(self, said: Said) -> Answer:
        """Say something, as the function, and wait for the answer."""
        self._said.put_nowait(said)
        return await self._answers.get()

    def ask_to_stop(self) -> None:
        """Let the function see it."""
        self.is_asked_to_stop.set()

    async def kill(self) -> None:
        """End it."""
        self._is_dead = True
        if self._working:
            self._working.cancel()

    async def _work(self, task: Task) -> None:
        said = await self._function(self, task)
        self._is_dead = isinstance(said, Died)
        self._said.put_nowait(said)


async def returns(_child: VirtualChild, _task: Task) -> Said:
    """Be done at once."""
    return Returned("1")


def lasting(seconds: float) -> Function:
    """Give a function that works for so long, and never looks whether to stop."""

    async def work_on(_child: VirtualChild, _task: Task) -> Said:
        await asyncio.sleep(seconds)
        return Returned("1")

    return work_on


Function = Callable[[VirtualChild, Task], Awaitable[Said]]
