"""What ``submit`` does where the network fails, or somebody ends it: no job is lost, and none is done twice."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from spot_worker.running.ports import StorageError
from spot_worker.running.storage_retries import persist_for
from workbench.real_worker import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.real_worker import Bench

_LOST, _DROPPED, _REFUSED = "its answer is lost", "it never arrives", "it is refused"

_NO_RIGHT = b"<Error><Code>AuthorizationPermissionMismatch</Code><Message>not yours</Message></Error>"


@contextmanager
def between(bench: Bench, fates: dict[int, str]) -> Iterator[tuple[str, str]]:
    """Stand between a command and the queue, where this becomes of the n-th message; give the option to come by."""
    at = urlsplit(str(bench.storage.queues.url))
    count = 0

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            nonlocal count
            count += self.command == "POST"
            fate = fates.get(count) if self.command == "POST" else None
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if fate == _REFUSED:
                self._answer(403, _NO_RIGHT)
            elif fate != _DROPPED:
                there = HTTPConnection(str(at.hostname), at.port or 0)
                there.request(self.command, self.path, body, dict(self.headers))
                answer = there.getresponse()
                content = answer.read()
                if fate != _LOST:
                    self._answer(answer.status, content)

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = _pass_on  # noqa: N815 - the library calls them so

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library calls it so
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        before = f"QueueEndpoint={at.scheme}://{at.netloc}/"
        here = f"QueueEndpoint=http://127.0.0.1:{server.server_address[1]}/"
        assert before in bench.storage.connection_string
        yield "--connection-string", bench.storage.connection_string.replace(before, here)
    finally:
        server.shutdown()
        server.server_close()


def test_a_message_that_is_not_answered_is_sent_again_and_is_one_job(bench: Bench) -> None:
    with between(bench, {2: _LOST, 4: _DROPPED}) as by:
        done = bench.command("submit", "--queue", "doubled-by-us", "--count", "3", "--json", *by)
    assert (done.returncode, done.stderr) == (0, "")
    queue = bench.storage.queues.get_queue_client("doubled-by-us")
    assert queue.get_queue_properties().approximate_message_count == 4
    assert bench.run("quick", "doubled-by-us", "--until-empty").ended() == 0
    rows = {row["job_id"]: row["result"]["body"]["number"] for row in bench.results("doubled-by-us")}
    assert rows == {job_id: number for number, job_id in enumerate(json.loads(done.stdout)["submitted"], start=1)}


@pytest.mark.parametrize("given", ["", "\n \n"])
def test_a_file_without_a_job_is_refused_and_no_queue_is_made(bench: Bench, given: str) -> None:
    (bench.folder / "empty.txt").write_text(given)
    done = bench.command("submit", "--queue", "of-nothing", "empty.txt", "-", given=given)
    assert done.returncode == 2
    assert done.stderr == "spot-worker: there is no job in empty.txt, standard input; nothing is submitted\n"
    assert bench.command("jobs", "--queue", "of-nothing").returncode == 1


def test_a_line_of_text_is_a_job_as_it_stands_there(bench: Bench) -> None:
    lines = ["  two spaces before, a tab behind\t", '  {"a": 1}  ', "\u00a0", "last"]
    (bench.folder / "lines.txt").write_bytes("\r\n".join(lines).encode())
    done = bench.command("submit", "--queue", "spaces", "lines.txt")
    assert done.stdout == "3 jobs submitted to spaces\n"
    messages = bench.storage.queues.get_queue_client("spaces").peek_messages(32)
    bodies = [json.loads(str(message.content))["body"] for message in messages]
    assert bodies == ["  two spaces before, a tab behind\t", {"a": 1}, "last"]


def test_what_is_no_json_is_told_by_one_line_and_a_place_in_it(bench: Bench) -> None:
    done = bench.command("submit", "--queue", "spaces", "-", given='1\n{"a": }\n')
    assert done.stderr == (
        "spot-worker: standard input, line 2 is no JSON: Expecting value at character 7; nothing is submitted\n"
    )


def test_one_job_is_no_jobs(bench: Bench) -> None:
    assert bench.command("submit", "--queue", "just-one", "--count", "1").stdout == "1 job submitted to just-one\n"
    assert bench.command("jobs", "--queue", "just-one").stdout.startswith("1 message in just-one;")
    assert bench.run("fails", "just-one", "--until-empty", "--max-failures", "1").ended() == 0
    (given_up,) = bench.asked("poison", "list", "--queue", "just-one")
    assert given_up["reason"].endswith("the function failed 1 time")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", given_up["given_up_at"])


def test_where_storage_refuses_in_the_middle_it_is_said_which_jobs_are_there(bench: Bench) -> None:
    with between(bench, {3: _REFUSED}) as by:
        done = bench.command("submit", "--queue", "refused", "--count", "5", "--json", *by)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "not allowed (403" in line
    assert line.endswith("; submitted: the first 2 of 5 jobs; the next one may be in the queue as well")
    submitted = json.loads(done.stdout)["submitted"]
    messages = bench.storage.queues.get_queue_client("refused").peek_messages(32)
    assert [json.loads(str(message.content))["id"] for message in messages] == submitted
    assert len(submitted) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_submit_that_is_ended_says_how_many_jobs_are_in_the_queue(bench: Bench, number: signal.Signals) -> None:
    queue = f"many-{number.name.lower()}"
    submitting = subprocess.Popen(  # noqa: S603 - our own choice of words
        [sys.executable, "-m", "spot_worker", "submit", "--queue", queue, "--count", "100000", "--json"],
        cwd=bench.folder,
        env=bench.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests in the background of a shell ignore it, and so would what they begin.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread holds a lock here
    )
    until(lambda: any(method == "POST" and f"/{queue}/messages" in path for method, path in bench.storage.requests))
    submitting.send_signal(number)
    given, said = submitting.communicate(timeout=60)
    assert submitting.returncode == 130
    count = len(json.loads(given)["submitted"])
    assert said == (
        f"spot-worker: stopped; submitted: the first {count} of 100000 jobs; the next one may be in the queue as well\n"
    )


class Time:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        """Begin."""
        self.seconds = 0.0

    def monotonic(self) -> float:
        """Give the seconds."""
        return self.seconds

    def wait(self, seconds: float) -> None:
        """Let them pass."""
        self.seconds += seconds


@pytest.mark.parametrize(("took_s", "at_least"), [(0.0, 10), (25.0, 2)])
def test_storage_that_never_answers_is_asked_for_a_minute(took_s: float, at_least: int) -> None:
    time, asked = Time(), []

    def ask() -> None:
        asked.append(time.seconds)
        time.wait(took_s)
        message = "no answer"
        raise StorageError(message)

    with pytest.raises(StorageError, match="no answer"):
        persist_for(60.0, ask, time.monotonic, time.wait)
    assert asked[-1] <= 60.0
    assert len(asked) >= at_least


def test_what_storage_refuses_for_good_is_not_asked_again() -> None:
    time, asked = Time(), []

    def ask() -> None:
        asked.append(1)
        message = "no right"
        raise StorageError(message, is_lasting=True)

    with pytest.raises(StorageError):
        persist_for(60.0, ask, time.monotonic, time.wait)
    assert asked == [1]
