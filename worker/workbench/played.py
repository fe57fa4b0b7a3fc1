"""A real process of a function, spoken to as the worker does, without storage."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Callable

from spot_worker.deciding.conversation import Died, Done, Failed, LoadAsked, Loaded, Refused, Returned, StateSaved, Task
from spot_worker.deciding.record.pointers import Kind
from spot_worker.edges.processes.child_process import ChildProcess, FunctionProcesses
from workbench.virtual import VirtualLog

if TYPE_CHECKING:
    from pathlib import Path

    from spot_worker.deciding.conversation import Answer, Said


class Played:
    """A worker without storage: it has one process, and keeps what the function saves."""

    def __init__(self, child: ChildProcess, log: VirtualLog) -> None:
        """Nothing is saved yet."""
        self.child, self.log = child, log
        self.saved: list[str] = []
        self.answers: Callable[[Said], Answer | None] = lambda _: None

    async def job(self, body: Any = None, job_id: str = "job-1") -> Said:  # noqa: ANN401 - any JSON value
        """Let it work on a job to its end."""
        self.saved.clear()
        await self.child.begin(Task("frames", job_id, 1, body))
        while True:
            said = await self.child.hear()
            if isinstance(said, (Returned, Failed, Died)):
                return said
            await self.child.answer(self.answers(said) or self._answer(said))

    def _answer(self, said: Said) -> Answer:
        if isinstance(said, StateSaved):
            self.saved.append(said.text)
            return Done()
        if isinstance(said, LoadAsked):
            return Loaded(Kind.STATE, self.saved[-1]) if self.saved else Loaded(None)
        return Refused(type(said).__name__)


def play(here: Path, function: str, story: Callable[[Played], Any]) -> Any:  # noqa: ANN401 - what the story gives
    """Let a process run a function, and a story happen to it, which must not take for ever."""

    async def played() -> Any:  # noqa: ANN401 - as above
        log = VirtualLog()
        spec = function if ":" in function else f"workbench.bad_jobs:{function}"
        child = await FunctionProcesses(spec, here / "jobs", 60.0, log).start(0)
        try:
            return await asyncio.wait_for(story(Played(child, log)), 40.0)
        finally:
            await child.kill()

    return asyncio.run(played())
