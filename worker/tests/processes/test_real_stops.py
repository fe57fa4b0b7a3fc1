"""Real workers on Azurite: signals, notices, deaths, and two that have one job."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from spot_agent.deciding.documents import EventType, ScheduledEvent
from spot_agent.deciding.state import Machine, Notice, State
from spot_agent.edges.disk import StateFolder

from spot_worker.deciding.messages import write_message
from workbench.real_worker import is_running, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.real_worker import Bench

_WITHIN_S = 10.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_job_at_its_checkpoint_and_another_worker_goes_on_from_there(
    bench: Bench, number: signal.Signals
) -> None:
    queue = f"stopped-{number.name.lower()}"
    bench.submit(queue, {"steps": 40})
    worker = bench.run("steps", queue)
    worker.wait_for("saved", 3)
    worker.send(number)
    assert worker.ended() == 0
    assert [line["how"] for line in worker.events("gave back")] == ["stopped"]
    assert bench.run("steps", queue, "--once", state="another").ended() == 0
    (row,) = bench.results(queue)
    assert row["result"]["step"] == 40
    assert row["result"]["began"] == len(worker.events("saved"))
    assert (row["attempts"], row["evictions"], row["silent_claims"]) == (2, 0, 0)


def test_a_function_that_never_looks_is_ended_with_all_it_started_within_ten_seconds(bench: Bench) -> None:
    bench.submit("deaf", 1)
    worker = bench.run("deaf", "deaf")
    until((bench.folder / "pids").exists)
    began = time.monotonic()
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0
    assert time.monotonic() - began < _WITHIN_S
    (back,) = worker.events("gave back")
    assert back["why"] == "it did not stop within 6.5 s and was killed: work since its last save is done again"
    pids = [int(pid) for pid in (bench.folder / "pids").read_text().split()]
    assert not any(is_running(pid) for pid in pids)
    assert bench.run("deaf", "deaf", "--once").ended() == 0
    assert bench.results("deaf")[0]["result"] == "done"


def test_a_function_that_looks_stops_at_once(bench: Bench) -> None:
    bench.submit("polite", 1)
    worker = bench.run("polite", "polite")
    worker.wait_for("claimed")
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0
    assert (bench.folder / "stopped").exists()
    assert "why" not in worker.events("gave back")[0]


def test_a_worker_without_a_job_ends_at_once(bench: Bench) -> None:
    worker = bench.run("quick", "idle-one")
    worker.wait_for("started")
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0


def test_a_killed_worker_takes_its_processes_with_it_and_the_job_goes_on_from_its_checkpoint(bench: Bench) -> None:
    bench.submit("killed", 1)
    worker = bench.run("deaf", "killed", "--visibility", "9")
    until((bench.folder / "pids").exists)
    pids = [int(pid) for pid in (bench.folder / "pids").read_text().split()]
    worker.process.kill()
    until(lambda: not any(is_running(pid) for pid in pids), within_s=5.0)
    assert bench.run("deaf", "killed", "--once").ended() == 0
    (row,) = bench.results("killed")
    assert (row["result"], row["attempts"], row["silent_claims"]) == ("done", 2, 1)


def test_a_worker_that_stood_still_beyond_its_lease_publishes_nothing(bench: Bench) -> None:
    bench.submit("frozen", 1)
    frozen = bench.run("waits_for_file", "frozen", "--visibility", "5", state="frozen")
    until((bench.folder / "begun-1").exists)
    frozen.send(signal.SIGSTOP)
    other = bench.run("waits_for_file", "frozen", "--once", state="other")
    until((bench.folder / "begun-2").exists)
    frozen.send(signal.SIGCONT)
    frozen.wait_for("lost")
    (bench.folder / "go").touch()
    assert other.ended() == 0
    frozen.send(signal.SIGTERM)
    assert frozen.ended() == 0
    assert not frozen.events("finished")
    (row,) = bench.results("frozen")
    assert (row["attempt"], row["attempts"]) == (2, 2)


def test_a_message_that_was_doubled_gives_one_result(bench: Bench) -> None:
    queue = bench.storage.queues.create_queue("doubled")
    text = write_message("job-1", {"steps": 30})
    for _ in range(2):
        queue.send_message(text, time_to_live=-1)
    worker = bench.run("steps", "doubled", "--slots", "2")
    worker.wait_for("double")
    worker.wait_for("finished")
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0
    (row,) = bench.results("doubled")
    assert (row["result"]["step"], row["attempts"]) == (30, 1)
    assert len(worker.events("finished")) == 1


def test_a_second_worker_in_one_folder_is_refused(bench: Bench) -> None:
    first = bench.run("quick", "locked")
    first.wait_for("started")
    second = bench.run("quick", "locked")
    assert second.ended() == 2
    assert any("another worker runs with the folder" in line for line in second.printed)


@pytest.mark.parametrize(
    ("function", "why"),
    [("nowhere:render", "no module 'nowhere'"), ("workbench.jobs:render", "no function 'render'"), ("bad:f", "broken")],
)
def test_what_cannot_be_imported_claims_nothing(bench: Bench, function: str, why: str) -> None:
    (bench.folder / "bad.py").write_text("raise RuntimeError('broken')\n")
    queue = f"import-{len(why)}"
    bench.submit(queue, 1)
    worker = bench.run(function, queue)
    assert worker.ended() == 1
    assert why in worker.events("cannot start")[0]["error"]
    assert not worker.events("claimed")


@pytest.mark.parametrize(
    "words",
    [
        ("run", "render", "--queue", "q-one"),
        ("run", "m:f", "--queue", "Q"),
        ("run", "m:f", "--queue", "q-one", "--visibility", "1"),
        ("run", "m:f", "--queue", "q-one", "--slots", "0"),
        ("run", "m:f", "--queue", "q-one", "--imds", "https://x"),
        ("run", "m:f", "--queue", "q-one", "--connection-string", "nonsense"),
        ("results",),
        ("results", "--results", "7"),
    ],
)
def test_a_command_that_is_called_wrongly_says_so_in_a_line(bench: Bench, words: tuple[str, ...]) -> None:
    done = bench.command(*words, *(("--state", str(bench.folder / "state")) if words[0] == "run" else ()))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_new_code_takes_over_between_jobs(bench: Bench) -> None:
    code = bench.folder / "code.py"
    text = "from workbench.jobs import waits_for_file\ndef f(job):\n    waits_for_file(job)\n    return '{}'\n"
    code.write_text(text.format("old"))
    bench.submit("reloaded", 1)
    worker = bench.run("code:f", "reloaded")
    until((bench.folder / "begun-1").exists)
    code.write_text(text.format("newer"))
    worker.send(signal.SIGHUP)
    worker.wait_for("stopping")
    bench.submit("reloaded", 2)
    (bench.folder / "go").touch()
    worker.wait_for("finished", 2)
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0
    assert [row["result"] for row in bench.results("reloaded")] == ["old", "newer"]


class MetadataService:
    """A metadata service that says what it is told to. ``url``: where it is."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        """Nothing is announced."""
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        self.events: list[dict[str, Any]] = []

    def announce(self, kind: str, seconds: float) -> None:
        """Announce an event of this VM."""
        at = (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")
        event = {"EventId": "e-1", "EventType": kind, "Resources": ["vm-7"], "EventStatus": "Scheduled"}
        self.events = [{**event, "NotBefore": at}]


@pytest.fixture
def metadata() -> Iterator[MetadataService]:
    with _metadata_service() as found:
        yield found


@contextmanager
def _metadata_service() -> Iterator[MetadataService]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_events = "scheduledevents" in self.path
            answer = {"Events": service.events} if is_events else {"compute": {"name": "vm-7"}}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = MetadataService(server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


def test_on_a_notice_the_job_is_saved_and_given_back_and_nothing_more_is_claimed(
    bench: Bench, metadata: MetadataService
) -> None:
    bench.submit("noticed", {"steps": 60}, {"steps": 1})
    worker = bench.run("steps", "noticed", "--imds", metadata.url)
    worker.wait_for("saved", 3)
    metadata.announce("Preempt", 25)
    assert worker.ended() == 0
    assert [line["how"] for line in worker.events("gave back")] == ["evicted"]
    assert len(worker.events("claimed")) == 1

    waiting = bench.run("steps", "noticed", "--imds", metadata.url, "--until-empty")
    waiting.wait_for("waiting")
    assert not waiting.events("started")
    metadata.events = []
    assert waiting.ended() == 0
    evicted, untouched = sorted(bench.results("noticed"), key=lambda row: -int(row["evictions"]))
    assert (evicted["evictions"], evicted["attempts"], evicted["vm"]) == (1, 2, "vm-7")
    assert (untouched["evictions"], untouched["attempts"]) == (0, 1)


def test_the_agents_word_counts_where_an_agent_runs(bench: Bench) -> None:
    folder = StateFolder(bench.folder / "agent", print)
    folder.begin()
    nothing = State("boot-1", "run-1", Machine("vm-9", "", ""))
    folder.save(nothing)
    folder.still_alive(datetime.now(timezone.utc), {"pid": os.getpid()})
    bench.submit("told", {"steps": 60})
    worker = bench.run("steps", "told")
    worker.wait_for("saved", 2)
    event = ScheduledEvent("e-1", EventType.PREEMPT, "Preempt", False, None, ("vm-9",), "Platform", -1.0)  # noqa: FBT003
    notice = Notice(event, datetime.now(timezone.utc), "boot-1", "run-1", 25.0, is_ours=True)
    folder.save(nothing.with_notice(notice))
    assert worker.ended() == 0
    assert worker.events("stopping")[0]["notice"] == "Preempt"
    assert [line["how"] for line in worker.events("gave back")] == ["evicted"]
