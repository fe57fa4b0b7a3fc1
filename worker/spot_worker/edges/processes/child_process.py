"""The worker's end of the process that runs the function."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from spot_worker.deciding.conversation import Died, Done, LastWord, Refused
from spot_worker.deciding.wire import MOST_LINE_BYTES, Told, UnreadableLineError, read_line, write_line
from spot_worker.edges.processes.descendants import MARK, kill_all
from spot_worker.edges.processes.line_to_worker import STOP
from spot_worker.running.ports import NotBegunError, WarmUpError

if TYPE_CHECKING:
    from spot_worker.deciding.conversation import Answer, Said, Task
    from spot_worker.deciding.wire import Word
    from spot_worker.running.ports import Log

_MAIN: Final = "spot_worker.edges.processes.child_main"
_LAST_WORDS: Final = get_args(LastWord)
_LAST_WORDS_S: Final = 1.0
"""So long what a process said last may be on its way after its exit."""


@dataclass(frozen=True)
class FunctionProcesses:
    """Starts processes for ``spec`` (``MODULE:FUNCTION``); each slot has a folder to work in."""

    spec: str
    folder: Path
    interval_s: float
    log: Log
    blobs_at: str = ""
    begin_within_s: float = 30.0
    says_every_s: float = 60.0

    async def start(self, slot: int) -> ChildProcess:
        """Start one, and wait until it has imported the function. Raises ``WarmUpError``."""
        ours, theirs = socket.socketpair()
        lifeline_end, lifeline = os.pipe()
        mark = str(uuid.uuid4())
        words = (self.spec, str(theirs.fileno()), str(lifeline_end), str(self.interval_s))
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", _MAIN, *words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=2,  # ours is for nobody: what a function prints goes where the log goes
                pass_fds=(theirs.fileno(), lifeline_end),
                start_new_session=True,
                env={**os.environ, MARK: mark},
            )
        except BaseException:
            ours.close()
            os.close(lifeline)
            raise
        finally:
            theirs.close()
            os.close(lifeline_end)
        child = ChildProcess((process, mark), ours, lifeline, self, slot)
        try:
            await child.open()
            await self._warm(child)
        except BaseException:
            await child.kill()
            raise
        return child

    async def _warm(self, child: ChildProcess) -> None:
        """Wait for the import, which may rightly take minutes; if it hangs, the log is where people look."""
        importing, minutes = asyncio.ensure_future(child.next_word()), 0
        try:
            while not (await asyncio.wait({importing}, timeout=self.says_every_s))[0]:
                minutes += 1
                self.log.say("still importing", function=self.spec, seconds=round(minutes * self.says_every_s))
        finally:
            importing.cancel()
        word = importing.result()
        if isinstance(word, Refused):
            raise WarmUpError(word.why)
        if not isinstance(word, Done):
            message = f"the function's process ended while it imported the function: {getattr(word, 'how', word)}"
            raise WarmUpError(message)


class ChildProcess:
    """A process that has imported the function, or is about to."""

    def __init__(
        self,
        process: tuple[asyncio.subprocess.Process, str],
        talk: socket.socket,
        lifeline: int,
        of: FunctionProcesses,
        slot: int,
    ) -> None:
        """Begin with the process and its mark, and its pipes; ``lifeline`` is closed when it is to be no more."""
        (self._process, self._mark), self._talk, self._log = process, talk, of.log
        self._folder, self._of = of.folder / str(slot), of
        self._lifeline: int | None = lifeline
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._exited = asyncio.ensure_future(self._process.wait())
        self._task = self._question = 0
        self._workdir: Path | None = None

    async def open(self) -> None:
        """Listen to it."""
        self._reader, self._writer = await asyncio.open_connection(sock=self._talk, limit=MOST_LINE_BYTES)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether it can be given a job."""
        return self._process.returncode is None and self._lifeline is not None and not self._reader.at_eof()

    async def begin(self, task: Task) -> None:
        """Give it a job, with a folder that no job had before: what one left there may not even be deletable."""
        self._task += 1
        try:
            self._workdir = await asyncio.to_thread(_make_workdir, self._folder, task.attempt)
        except OSError as error:
            message = f"no folder for the job can be made: {error}"
            raise NotBegunError(message) from error
        try:
            await self._tell(replace(task, workdir=str(self._workdir), blobs_at=self._of.blobs_at), 0)
            word = await asyncio.wait_for(self.next_word(), self._of.begin_within_s)
        except asyncio.TimeoutError:
            message = f"the function's process has not taken the job within {self._of.begin_within_s:.0f} seconds"
            raise NotBegunError(message) from None
        if isinstance(word, Done):
            return
        raise NotBegunError(word.why if isinstance(word, Refused) else getattr(word, "how", str(word)))

    async def hear(self) -> Said:
        """Wait for the next thing that it says; ``Died`` when it is no more."""
        word = await self.next_word()
        if isinstance(word, _LAST_WORDS):
            self._remove_workdir()
        return word  # type: ignore[return-value]

    async def next_word(self) -> Word | Died:
        """Wait for the next thing that it says about its task. What is about another one is nobody's word."""
        try:
            while line := await self._next_line():
                told = read_line(line)
                if told.task == self._task:
                    self._question = told.question
                    return told.word
                self._log.say("word of another job", said=type(told.word).__name__, task=told.task, now=self._task)
            why = ""
        except (UnreadableLineError, ValueError, OSError) as error:
            why = f"it is ended, since it said what cannot be understood: {error}; "
        await self.kill()
        return Died(why + _how(await self._exited))

    async def _next_line(self) -> bytes:
        """Read a line; nothing once it is no more. What it has started might hold the pipe open after it."""
        reading = asyncio.ensure_future(self._reader.readline())
        try:
            await asyncio.wait({reading, self._exited}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():  # what it said last may still be on its way
                await asyncio.wait({reading}, timeout=_LAST_WORDS_S)
            line = reading.result() if reading.done() else b""
            return line if line.endswith(b"\n") else b""
        finally:
            reading.cancel()

    async def answer(self, answer: Answer) -> None:
        """Answer what was heard last."""
        await self._tell(answer, self._question)

    def ask_to_stop(self) -> None:
        """Let the function see that it is to stop."""
        if self._writer:
            with suppress(OSError):
                self._writer.write(STOP)

    async def kill(self) -> None:
        """End it at once, with all that it has started, and remove its folder."""
        if self._lifeline is None:
            return
        lifeline, self._lifeline = self._lifeline, None
        # The session lives as long as the one who waits at the lifeline, so its number is nobody else's.
        await asyncio.to_thread(kill_all, self._process.pid, self._mark)
        await self._exited
        os.close(lifeline)
        if self._writer:
            self._writer.close()
        else:
            self._talk.close()
        self._remove_workdir()

    async def _tell(self, word: Word, question: int) -> None:
        if self._writer:
            with suppress(OSError):  # that it is no more is heard next
                self._writer.write(write_line(Told(self._task, question, word)))
                await self._writer.drain()

    def _remove_workdir(self) -> None:
        """Remove the job's folder beside all else: large ones take long, and the record and the message come first."""
        workdir, self._workdir = self._workdir, None
        if workdir:
            threading.Thread(target=_remove, args=(workdir, self._log), daemon=True).start()


def _make_workdir(folder: Path, attempt: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{attempt}-", dir=folder))


def _remove(folder: Path, log: Log) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # folders that may not be written to keep what is in them
        with suppress(OSError):
            folder.chmod(0o700)
        for where, names, _ in os.walk(folder):
            for path in (Path(where, name) for name in names):
                with suppress(OSError):
                    if not path.is_symlink():
                        path.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        log.say("folder not removed", folder=str(folder))


def _how(code: int) -> str:
    if code >= 0:
        return f"the function's process ended with exit code {code}"
    try:
        name: Any = signal.Signals(-code).name
    except ValueError:
        name = -code
    return f"the function's process was ended by {name}"
