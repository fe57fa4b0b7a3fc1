"""The process that runs the function: imports it once, which warms it up, then works on one job after the other.

Started by ``child_process.py`` with two inherited pipes: one to talk, and one that ends when the worker does.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Final, NoReturn

from spot_worker.deciding.conversation import Done, Failed, Refused, Returned, StoppedAtSafePoint
from spot_worker.deciding.results import ImpossibleResultError, check_value
from spot_worker.edges.processes.descendants import MARK, kill_all
from spot_worker.edges.processes.line_to_worker import LineOfTask, LineToWorker
from spot_worker.edges.processes.whole_lines import WholeLines, print_whole_lines
from spot_worker.job import Job, Permanent, Stopped

if TYPE_CHECKING:
    from spot_worker.deciding.conversation import LastWord

_MOST_TRACEBACK: Final = 8000
_MOST_REASON: Final = 2000


def main(spec: str, talk: int, lifeline: int, interval_s: float) -> None:
    """Import the function, say so, and work until the worker ends."""
    _end_with_the_worker(lifeline, talk)
    # The worker decides what a signal means; what a service manager sends to all processes must not end the work.
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, lambda *_: None)
    line, home, printed = LineToWorker(socket.socket(fileno=talk)), Path.cwd(), print_whole_lines()
    try:
        function = find_function(spec)
    except NoFunctionError as error:
        line.say(Refused(str(error)))
        return
    except BaseException as error:  # noqa: BLE001 - whatever the user's module raises
        traceback.print_exc()
        line.say(Refused(f"{spec}: {_short(error)}"))
        return
    line.say(Done())
    while True:
        number, task = line.next_task()
        try:
            os.chdir(home)  # the function before may have left it
        except OSError as error:
            line.say(Refused(f"the worker's folder cannot be used: {_short(error)}"), number)
            continue
        line.begin(number)
        line.say(Done(), number)
        said = _run(function, Job(LineOfTask(line, number), task, interval_s), line)
        for stream in printed:
            stream.end_line()
        line.end(number, said)


def find_function(spec: str) -> Callable[[Job], Any]:
    """Import ``MODULE:FUNCTION``, from the current folder too. Raises ``NoFunctionError`` or what the import raises."""
    module, _, name = spec.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # it is there, and imports something that is not
        message = f"there is no module {error.name!r}: is it in the current folder ({Path.cwd()}), or installed?"
        raise NoFunctionError(message) from error
    if not callable(function):
        message = f"the module {module!r} has no function {name!r}"
        raise NoFunctionError(message)
    _check_function(spec, function)
    return function  # type: ignore[no-any-return]


def _check_function(spec: str, function: Callable[..., Any]) -> None:
    """Raise ``NoFunctionError`` for what would fail with every job. Where nobody can know, it is tried."""
    called = (function, type(function).__call__)
    if any(inspect.iscoroutinefunction(one) for one in called):
        message = f"{spec} is an async function, which is called and never awaited: let it be `def`, with asyncio.run"
        raise NoFunctionError(message)
    if any(inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in called):
        message = f"{spec} is a generator, whose code nobody would run: let it return its result, without `yield`"
        raise NoFunctionError(message)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # some of what is written in C has none
    try:
        signature.bind(None)
    except TypeError as error:
        message = f"{spec} cannot be called with a job: {error}"
        raise NoFunctionError(message) from error


class NoFunctionError(Exception):
    """There is no such function; the text says what is missing."""


def _run(function: Callable[[Job], Any], job: Job, line: LineToWorker) -> LastWord:
    try:
        value = function(job)
    except BaseException as error:  # noqa: BLE001 - whatever it is (sys.exit() too), it ends this job only
        if not line.is_ours:
            _end_fork(error)
        return _raised(error)
    if not line.is_ours:
        _end_fork(None)
    try:
        text = json.dumps(value, allow_nan=False)
        check_value(text)
    except ImpossibleResultError as error:
        return Failed(str(error), is_permanent=True)
    except (TypeError, ValueError, RecursionError) as error:
        return Failed(f"the function returned what is no JSON value: {_short(error)}", is_permanent=True)
    except BaseException as error:  # noqa: BLE001 - whatever its parts raise, or what a thread changes meanwhile
        return Failed(f"the function's result cannot be written: {_short(error)}", _trace())
    return Returned(text, job.lists.submitted, job.lists.inputs)


def _raised(error: BaseException) -> LastWord:
    if isinstance(error, Stopped):
        return StoppedAtSafePoint()
    if isinstance(error, Permanent):
        return Failed(_text(error)[:_MOST_REASON] or "Permanent", _trace(), is_permanent=True)
    return Failed(_short(error), _trace())


def _end_fork(error: BaseException | None) -> NoReturn:
    """End a process that the function has forked and that has left the function, as a program ends."""
    code: object = None if error is None else 1
    if isinstance(error, SystemExit):
        code = error.code
    elif error is not None:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            if isinstance(stream, WholeLines):
                stream.end_line()
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _end_with_the_worker(lifeline: int, talk: int) -> None:
    """Leave a process behind that ends all that we have started, and us, when the worker is gone, however it went.

    We could not: a function may hold the interpreter for long, or be killed, and what it has started would live on.
    That process is nobody's child, so that a function that waits for children never sees it.
    """
    session, mark = os.getpid(), os.environ[MARK]
    between = os.fork()
    if between == 0:
        try:
            if os.fork() == 0:
                _wait_and_end(lifeline, talk, session, mark)
        finally:
            os._exit(0)
    os.waitpid(between, 0)
    os.close(lifeline)


def _wait_and_end(lifeline: int, talk: int, session: int, mark: str) -> None:
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.chdir("/")
    os.close(talk)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.read(lifeline, 1)
    kill_all(session, mark)


def _short(error: BaseException) -> str:
    text = _text(error)
    return f"{type(error).__name__}: {text[:500]}" if text else type(error).__name__


def _text(error: BaseException) -> str:
    """Give an error's words. They are made by code of others, and may hold what is no text (names of files)."""
    try:
        return _readable(str(error))
    except BaseException:  # noqa: BLE001 - whatever their __str__ raises
        return "(it cannot say why: its __str__ raises)"


def _trace() -> str:
    return _readable(traceback.format_exc()[-_MOST_TRACEBACK:])


def _readable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
