"""The pipe to the worker, in the process of the function.

Whatever the function does, no word reaches a job that it is not of: the function may have threads that outlive it,
signal handlers that interrupt a question, processes that it forks.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import TYPE_CHECKING, Final

from spot_worker.deciding.conversation import Refused, Task
from spot_worker.deciding.wire import MOST_LINE_BYTES, Told, read_line, write_line

if TYPE_CHECKING:
    import socket

    from spot_worker.deciding.conversation import Answer, Spoken
    from spot_worker.deciding.wire import Word

STOP: Final = b"stop\n"
_OTHERS_FIRST_S: Final = 2.0
_OVER: Final = "the job is over: its function has returned"
_FORKED: Final = "only the process that was given the job can ask, not one that it has forked"


class LineToWorker:
    """The pipe. One thread reads it, so that a stop is seen while the function works; one writes it, undisturbed."""

    def __init__(self, talk: socket.socket) -> None:
        """Begin to listen."""
        talk.set_inheritable(False)
        self._talk, self._pid = talk, os.getpid()
        # A signal handler may ask while its own thread does.
        self._lock = threading.RLock()
        self._task = self._question = 0
        self._waiting: dict[int, queue.SimpleQueue[Answer]] = {}
        self._tasks: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self._to_send: queue.SimpleQueue[bytes | threading.Event] = queue.SimpleQueue()
        self._stop = threading.Event()
        os.register_at_fork(after_in_child=self._leave)
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._write, daemon=True).start()

    @property
    def is_ours(self) -> bool:
        """Whether we are the process that the worker has started, and no fork of it."""
        return os.getpid() == self._pid

    def next_task(self) -> tuple[int, Task]:
        """Wait for a job; give its number as well."""
        while True:
            told = self._tasks.get()
            if isinstance(told.word, Task):
                return told.task, told.word

    def begin(self, number: int) -> None:
        """From here on, what is asked is of this task."""
        with self._lock:
            self._task = number

    def say(self, word: Word, number: int = 0) -> None:
        """Say something that is no question; it is sent on return, so that no end of ours can take it back."""
        self._to_send.put(write_line(Told(number, 0, word)))
        is_sent = threading.Event()
        self._to_send.put(is_sent)
        is_sent.wait()

    def end(self, number: int, said: Spoken) -> None:
        """Say how the task ended. What has been asked before is answered before; nothing more is asked."""
        with self._lock:
            self._task = 0
            self._to_send.put(write_line(Told(number, 0, said)))

    def ask(self, number: int, said: Spoken) -> Answer:
        """Ask, and wait for the answer."""
        if not self.is_ours:
            return Refused(_FORKED)
        waiting: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        with self._lock:
            if number != self._task:
                return Refused(_OVER)
            self._question += 1
            question = self._question
            line = write_line(Told(number, question, said))
            if len(line) > MOST_LINE_BYTES:
                return Refused(f"{len(line)} bytes are too many to ask for")
            self._waiting[question] = waiting
            self._to_send.put(line)
        try:
            return waiting.get()
        finally:
            self._waiting.pop(question, None)

    def is_to_stop(self, number: int) -> bool:
        """Whether the work on this task is to stop, or is over."""
        return number != self._task or self._stop.is_set()

    def _read(self) -> None:
        try:
            for text in self._talk.makefile("rb"):
                if text == STOP:
                    self._stop.set()
                else:
                    self._heard(read_line(text))
        finally:
            _end()

    def _heard(self, told: Told) -> None:
        if isinstance(told.word, Task):
            self._tasks.put(told)
            return
        waiting = self._waiting.get(told.question)
        if waiting is not None:  # else nobody waits for it any more
            waiting.put(told.word)  # type: ignore[arg-type]

    def _write(self) -> None:
        while True:
            line = self._to_send.get()
            if isinstance(line, threading.Event):
                line.set()
                continue
            try:
                self._talk.sendall(line)
            except OSError:
                _end()

    def _leave(self) -> None:
        """In a process that the function has forked: it has no part in the conversation."""
        descriptor = self._talk.detach()
        if descriptor >= 0:
            os.close(descriptor)


def _end() -> None:
    """End, since the worker is gone. Who waits at the lifeline should do it first, and so finds what is our child."""
    time.sleep(_OTHERS_FIRST_S)
    os._exit(1)


class LineOfTask:
    """The pipe, for one task: what a function leaves behind must not speak for the next one."""

    def __init__(self, line: LineToWorker, number: int) -> None:
        """Begin with the task's number."""
        self._line, self._number = line, number

    @property
    def stop_requested(self) -> bool:
        """Whether the work is to stop, or is over."""
        return self._line.is_to_stop(self._number)

    def ask(self, said: Spoken) -> Answer:
        """Say something, and wait for the answer."""
        return self._line.ask(self._number, said)
