"""What the edges do by themselves: units, the disk, lines on standard output, and that nothing but Python is needed."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

from spot_agent.deciding.actions import Record, RunHooks
from spot_agent.deciding.heard import Acknowledged, HookEnded, HooksOver, MachineRead, Sent, UnitsDone
from spot_agent.deciding.state import Machine, Message, State
from spot_agent.edges.azure import AzureEdge, TokenKeeper
from spot_agent.edges.disk import StateFolder, read_history
from spot_agent.edges.health import HealthServer
from spot_agent.edges.hook_output import KEPT_BYTES, free_beginning
from spot_agent.edges.hooks import HookRunner, find_hooks
from spot_agent.edges.leftovers import end_leftovers
from spot_agent.edges.metadata import MetadataError, MetadataService
from spot_agent.edges.polling import Poller
from spot_agent.edges.standard_output import StandardOutput
from spot_agent.edges.storage_queue import may_write
from spot_agent.edges.units import Units, units_not_loaded
from virtual_vm.real_vm import preempt
from virtual_vm.servers import AzureStandIn, answer
from virtual_vm.virtual_time import TEN

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

    from spot_agent.deciding.heard import Heard

AGENT = Path(__file__).resolve().parents[1]
MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ('echo "$@" > "$0.words"', "ok"),
        ("echo first >&2; echo Unit not loaded. >&2; exit 5", "systemctl stop failed with 5: Unit not loaded."),
    ],
)
def test_units_are_stopped_by_systemctl(tmp_path: Path, script: str, outcome: str) -> None:
    """All in one call, without a shell in between."""
    command = tmp_path / "systemctl"
    command.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    command.chmod(0o755)
    heard: SimpleQueue[Heard] = SimpleQueue()
    Units(("a.service", "b c.service"), heard.put, str(command)).stop("run")
    assert heard.get(timeout=30) == UnitsDone("run", outcome)
    if outcome == "ok":
        assert (tmp_path / "systemctl.words").read_text("utf-8") == "stop -- a.service b c.service\n"


def test_a_machine_without_systemctl_says_so(tmp_path: Path) -> None:
    """The other phases go on."""
    heard: SimpleQueue[Heard] = SimpleQueue()
    Units(("a.service",), heard.put, str(tmp_path / "systemctl")).start("run")
    assert heard.get(timeout=30) == UnitsDone("run", f"{tmp_path}/systemctl cannot be run: No such file or directory")


def test_words_of_systemctl_that_are_no_text_lose_no_outcome(tmp_path: Path) -> None:
    """A unit's description may be in any encoding; without an outcome the eviction would wait for ever."""
    command = tmp_path / "systemctl"
    command.write_text("#!/bin/sh\nprintf 'caf\\351' >&2; exit 1\n", "utf-8")
    command.chmod(0o755)
    heard: SimpleQueue[Heard] = SimpleQueue()
    Units(("a.service",), heard.put, str(command)).stop("run")
    assert heard.get(timeout=30) == UnitsDone("run", "systemctl stop failed with 1: caf\ufffd")


@pytest.mark.parametrize(
    ("script", "wrong"),
    [
        ("echo LoadState=loaded", ()),
        ('[ "$5" = a.service ] && echo LoadState=loaded || echo LoadState=not-found', ("b.service is not-found",)),
        ("exit 1", ("a.service is not known: systemctl answers ''", "b.service is not known: systemctl answers ''")),
    ],
)
def test_each_unit_that_is_named_must_be_there(tmp_path: Path, script: str, wrong: tuple[str, ...]) -> None:
    """A typing error must not go unseen until an eviction."""
    command = tmp_path / "systemctl"
    command.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    command.chmod(0o755)
    assert units_not_loaded(("a.service", "b.service"), str(command)) == wrong


def test_whoever_floods_the_health_port_does_not_keep_the_probe_out() -> None:
    """The oldest connection makes room; each has 5 seconds for its request, though a byte comes now and then."""
    server = HealthServer(0)
    server.is_ready(ready=True)
    others = [socket.create_connection(("127.0.0.1", server.port), 2) for _ in range(70)]
    try:
        assert [one.recv(1) for one in others[:6]] == [b""] * 6
        assert all(map(takes_a_byte, others[6:]))
        assert asks_health(server.port)
        held = others[7:]  # the probe took the place of one
        deadline = time.monotonic() + 20
        while held:
            assert time.monotonic() < deadline
            held = [one for one in held if takes_a_byte(one)]
            time.sleep(0.05)
        assert asks_health(server.port)
    finally:
        for one in others:
            one.close()
        server.end()


def test_whoever_says_nothing_is_hung_up_on_soon() -> None:
    """A probe asks at once; the others wait for nothing."""
    server = HealthServer(0)
    began = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", server.port), 30) as silent:
            assert silent.recv(1) == b""
        assert 1.5 < time.monotonic() - began < 4.5
    finally:
        server.end()


class Pauses(threading.Event):
    """Notes for how long it is waited for, and waits for nothing."""

    def __init__(self, most: int) -> None:
        """Say that it has come after so many."""
        super().__init__()
        self.noted: list[float | None] = []
        self._most = most

    def wait(self, timeout: float | None = None) -> bool:
        """Note it."""
        self.noted.append(timeout)
        return len(self.noted) >= self._most


def test_our_name_is_asked_for_again() -> None:
    """Each second until it is known, and each minute after that: an answer may have been wrong."""
    azure = AzureStandIn()
    heard: list[Heard] = []
    try:
        poller = Poller(MetadataService(azure.url), heard.append, print)
        azure.instance = {"compute": {"name": 5}}
        unknown = Pauses(3)
        poller.ask_who_we_are(unknown)
        azure.instance = {"compute": {"name": "render-1"}}
        known = Pauses(3)
        poller.ask_who_we_are(known)
        assert (unknown.noted, known.noted) == ([0.0, 1.0, 1.0], [0.0, 60.0, 60.0])
        assert heard == [MachineRead(Machine("render-1", "", ""))] * 2
    finally:
        azure.close()


def takes_a_byte(connection: socket.socket) -> bool:
    """Whether the other side still reads."""
    with suppress(OSError):
        return connection.send(b"G") == 1
    return False


def asks_health(port: int) -> bool:
    """Whether the probe is answered 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as probe:
            probe.sendall(b"GET /health HTTP/1.1\r\n\r\n")
            return probe.recv(12) == b"HTTP/1.1 200"
    except OSError:
        return False


def test_whoever_asks_politely_leaves_room_and_asks_again_after_429() -> None:
    """The service takes 5 requests a second; the agent that runs asks it too."""
    azure = AzureStandIn()

    def refuses_once(request: BaseHTTPRequestHandler) -> bool:
        azure.fault = None
        answer(request, 429, {})
        return True

    try:
        azure.fault = refuses_once
        metadata = MetadataService(azure.url, 0.3)
        assert metadata.events(5.0).events == ()
        metadata.events(5.0)
        first, again, next_ = azure.polls
        assert again - first >= 0.9
        assert next_ - again >= 0.25
        azure.fault = refuses_once
        with pytest.raises(MetadataError, match="answers 429"):
            MetadataService(azure.url).events(5.0)
    finally:
        azure.close()


def write_hook(folder: Path, script: str) -> Path:
    """Write a hook of an eviction; give the folder of hooks."""
    file = folder / "hooks" / "preempt" / "save"
    file.parent.mkdir(parents=True)
    file.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    file.chmod(0o755)
    return folder / "hooks"


def test_out_of_threads_everything_is_heard_all_the_same(tmp_path: Path) -> None:
    """Nothing can be begun: the phases go on, and what was to be told is tried again."""
    heard: SimpleQueue[Heard] = SimpleQueue()
    hooks = HookRunner(write_hook(tmp_path, ""), tmp_path / "state", {}, heard.put)
    azure = AzureEdge(MetadataService("http://127.0.0.1:9"), "", lambda _within_s: None, heard.put)
    before = threading.stack_size(1 << 46)  # more than there is: no thread can begin
    try:
        hooks.run(RunHooks("run", "preempt", None, 1.0, 1.0, {}, {}))
        Units(("a.service",), heard.put).stop("run")
        azure.acknowledge("E1")
        azure.send(Message("M1", TEN, {}))
    finally:
        threading.stack_size(before)
    why = "could not be begun: can't start new thread"
    assert [heard.get(timeout=30) for _ in range(5)] == [
        HookEnded("run", "save", why, 0.0),
        HooksOver("run"),
        UnitsDone("run", f"systemctl stop {why}"),
        Acknowledged("E1", why),
        Sent("M1", why),
    ]


def test_a_mistake_while_a_hook_runs_is_heard_as_its_end(tmp_path: Path) -> None:
    """Words that cannot be written as JSON."""
    heard: SimpleQueue[Heard] = SimpleQueue()
    hooks = HookRunner(write_hook(tmp_path, ""), tmp_path / "state", {}, heard.put)
    hooks.run(RunHooks("run", "preempt", None, 1.0, 1.0, {}, {"flaw": object()}))
    ended = heard.get(timeout=30)
    assert isinstance(ended, HookEnded)
    assert ended.outcome.startswith("a mistake in the agent: TypeError(")
    assert heard.get(timeout=30) == HooksOver("run")


@pytest.mark.parametrize(("on_term", "is_saved"), [("sleep 1; : > saved; exit", True), (":", False)])
def test_what_a_hook_that_is_a_shell_waits_for_gets_its_time(
    tmp_path: Path,
    on_term: str,
    is_saved: bool,  # noqa: FBT001 - a row of the table
) -> None:
    """The shell ends at once by SIGTERM; its child has 5 seconds, and is killed after that."""
    script = f"cd {tmp_path}\nsh -c 'trap \"{on_term}\" TERM; : > begun; while :; do sleep 0.05; done'"
    heard: SimpleQueue[Heard] = SimpleQueue()
    hooks = HookRunner(write_hook(tmp_path, script), tmp_path / "state", {}, heard.put)
    hooks.run(RunHooks("run", "preempt", None, 2.0, 2.0, {}, {}))
    ended = heard.get(timeout=30)
    assert isinstance(ended, HookEnded)
    assert (tmp_path / "begun").exists()
    assert (tmp_path / "saved").exists() == is_saved
    assert ended.outcome.startswith("was too slow: asked to end after 2 s")
    assert (", killed" in ended.outcome) != is_saved


def test_hooks_that_cannot_be_listed_are_said_to_be_so(tmp_path: Path) -> None:
    """A loop of links, or a folder that we may not read; the phase goes on."""
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "preempt").symlink_to("preempt")
    heard: SimpleQueue[Heard] = SimpleQueue()
    action = RunHooks("run", "preempt", None, 1.0, 1.0, {}, {})
    HookRunner(tmp_path / "hooks", tmp_path / "state", {}, heard.put).run(action)
    ended = heard.get(timeout=30)
    assert isinstance(ended, HookEnded)
    assert ended.outcome.startswith("hooks cannot be listed")
    assert heard.get(timeout=30) == HooksOver("run")


def test_a_notice_in_the_first_second_is_told_by_its_first_try() -> None:
    """The token is on its way; without one the try ends in time for the next."""
    azure = AzureStandIn()
    has_ended = threading.Event()
    heard: SimpleQueue[Heard] = SimpleQueue()
    metadata = MetadataService(azure.url)
    try:
        tokens = TokenKeeper(metadata, "", print)
        edge = AzureEdge(metadata, azure.queue_url, tokens.current, heard.put)
        edge.send(Message("M1", TEN, {}))
        assert heard.get(timeout=1.7) == Sent("M1", "there is no token yet")
        edge.send(Message("M2", TEN, {}))
        threading.Thread(target=tokens.keep, args=(has_ended,), daemon=True).start()
        assert heard.get(timeout=30) == Sent("M2", "ok")
        assert len(azure.messages) == 1
    finally:
        has_ended.set()
        azure.close()


@pytest.mark.parametrize(("megabytes", "is_read"), [(3, True), (5, False)])
def test_an_answer_that_is_too_large_is_said_to_be_so(megabytes: int, is_read: bool) -> None:  # noqa: FBT001 - of a table
    """Not that it is no JSON."""
    azure = AzureStandIn()
    try:
        azure.events = [{**preempt("E1"), "Description": "x" * megabytes * 1024 * 1024}]
        if is_read:
            assert len(MetadataService(azure.url).events(20.0).events) == 1
        else:
            with pytest.raises(MetadataError, match="the answer is too large, more than 4 MB"):
                MetadataService(azure.url).events(20.0)
    finally:
        azure.close()


def test_a_token_lives_by_its_own_seconds_not_by_our_clock() -> None:
    """The clock of the VM may be off by hours; without ``expires_in``, ``expires_on`` has to do."""
    azure = AzureStandIn()
    try:
        azure.token = {"access_token": "a", "expires_in": "3599", "expires_on": "1"}
        assert MetadataService(azure.url).token("").lives_s == 3599
        azure.token = {"access_token": "a", "expires_on": str(int(time.time()) + 100)}
        assert 90 < MetadataService(azure.url).token("").lives_s <= 100
        azure.token = {"access_token": "a", "expires_on": "never"}
        with pytest.raises(MetadataError, match="the answer has no token"):
            MetadataService(azure.url).token("")
    finally:
        azure.close()


@pytest.mark.parametrize("count", [1, 100])
def test_an_answer_is_read_whole_in_whatever_pieces_it_comes(count: int) -> None:
    """The body apart from the headers, and more than the 8 KB that are read at once."""
    azure = AzureStandIn()
    try:
        azure.events = [preempt(f"E{number}") for number in range(count)]
        assert len(MetadataService(azure.url).events(5.0).events) == count
        assert MetadataService(azure.url).machine().name == "render-1"
    finally:
        azure.close()


def test_a_state_that_is_lost_is_known_to_be_so_until_there_is_a_new_one(tmp_path: Path) -> None:
    """Nothing of it is moved away: a crash before the first writing must not look like a first run."""
    said: list[str] = []
    assert not StateFolder(tmp_path / "new", said.append).begin().is_state_lost
    assert StateFolder(tmp_path / "used", said.append).begin().is_state_lost is False
    (tmp_path / "once").mkdir()
    (tmp_path / "once" / "lock").touch()
    assert StateFolder(tmp_path / "once", said.append).begin().is_state_lost
    assert "has no state.json" in said[-1]
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "state.json").write_text("{", "utf-8")
    first = StateFolder(tmp_path / "bad", said.append)
    assert first.begin().is_state_lost
    assert (tmp_path / "bad" / "state.json").read_text("utf-8") == "{"
    assert (tmp_path / "bad" / "state.json.unreadable").read_text("utf-8") == "{"
    first.save(State("boot", "run"))


def test_a_hook_that_never_stops_writing_does_not_fill_the_disk(tmp_path: Path) -> None:
    """The end of what it wrote is kept, and its last line with it; what another wrote before is gone."""
    script = "yes spam & sleep 1; kill $!; wait $! 2> /dev/null; echo; echo no room; exit 3"
    heard: SimpleQueue[Heard] = SimpleQueue()
    hooks = HookRunner(write_hook(tmp_path, script), tmp_path / "state", {}, heard.put)
    output = tmp_path / "state" / "output" / "preempt-save.log"
    output.parent.mkdir(parents=True)
    output.write_text("another\n", "utf-8")
    hooks.run(RunHooks("run", "preempt", None, 10.0, 10.0, {}, {}))
    ended = heard.get(timeout=30)
    assert isinstance(ended, HookEnded)
    assert ended.outcome == "exit code 3: no room"
    assert 60_000 < output.stat().st_size <= 256 * 1024
    assert output.read_text("utf-8").count("spam\n") > 10_000


def test_what_a_hook_wrote_long_ago_is_given_back_while_it_writes_on(tmp_path: Path) -> None:
    """Of two megabytes the last 64 KB are on the disk, and what is written after that is behind them."""
    output = tmp_path / "preempt-save.log"
    with output.open("ab") as stream:
        for written in ("1", "2"):
            stream.write(written.encode() * MEGABYTE)
            stream.flush()
            free_beginning(output)
            assert output.stat().st_blocks * 512 <= KEPT_BYTES + 2 * 4096
            assert output.stat().st_size == int(written) * MEGABYTE
    content = output.read_bytes()
    assert content.endswith(b"2" * KEPT_BYTES)
    assert content.startswith(b"\0" * MEGABYTE)


@pytest.mark.parametrize("way", ["its file", "its folder", "the event's folder", "a link on the way", "..", "none"])
def test_a_hook_to_which_a_link_leads_must_not_be_replaceable_on_the_way(tmp_path: Path, way: str) -> None:
    """Whoever may write a folder on the way may put another program there."""
    (tmp_path / "hooks" / "preempt").mkdir(parents=True)
    (tmp_path / "safe" / "event").mkdir(parents=True)
    (tmp_path / "open").mkdir()
    for folder in ("safe/event", "open"):
        (tmp_path / folder / "save").write_text("#!/bin/sh\n", "utf-8")
        (tmp_path / folder / "save").chmod(0o755)
    (tmp_path / "open" / "link").symlink_to("../safe/event/save")
    link = tmp_path / "hooks" / "preempt" / "save"
    if way == "the event's folder":
        link.parent.rmdir()
        link.parent.symlink_to(tmp_path / "open")
    else:
        targets = {"its folder": "../../open/save", "a link on the way": str(tmp_path / "open" / "link")}
        link.symlink_to(targets.get(way, "../../open/../safe/event/save" if way == ".." else "../../safe/event/save"))
    (tmp_path / "open").chmod(0o777)
    if way == "its file":
        (tmp_path / "safe" / "event" / "save").chmod(0o777)
    (hook,) = [one for one in find_hooks(tmp_path / "hooks", "preempt") if one.name == "save"]
    assert ("others may write" in hook.refused) == (way not in {"none", ".."})  # nobody can replace a ".."


def test_links_that_lead_nowhere_are_left_out(tmp_path: Path) -> None:
    """Nothing could be run."""
    (tmp_path / "hooks" / "preempt").mkdir(parents=True)
    (tmp_path / "hooks" / "preempt" / "save").symlink_to("save")
    assert find_hooks(tmp_path / "hooks", "preempt") == ()


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (400, ""),
        (401, "Storage Queue Data Message Sender"),
        (403, "firewall"),
        (404, "there is no such queue"),
        (429, "check again later"),
        (500, "storage is in trouble"),
        (302, "it is elsewhere"),
        (413, "no queue answers so"),
        (200, "no queue answers so"),
    ],
)
def test_each_answer_of_the_queue_has_its_own_advice(status: int, says: str) -> None:
    """Only what refuses an empty body as malformed is a queue that we may write to."""
    azure = AzureStandIn()
    try:
        azure.queue_status = status
        said = may_write(azure.queue_url, "eyJ0")
        assert bool(said) == bool(says)
        assert says in said
    finally:
        azure.close()
    assert "is the account's name right" in may_write(azure.queue_url, "eyJ0")


@pytest.mark.parametrize("name", [5, None, [], {}, "", " ", "a b", "a/b", "_a", "-a", "a\0", "x" * 81, True])
def test_what_cannot_be_a_name_is_not_taken_for_ours(name: object) -> None:
    """With it every event would be a sibling's."""
    azure = AzureStandIn()
    try:
        azure.instance = {"compute": {"name": name, "vmId": 5}}
        with pytest.raises(MetadataError, match="does not say how this VM is called"):
            MetadataService(azure.url).machine()
        for fine in ("render-1", "Set_12", "a.b", "5"):
            azure.instance = {"compute": {"name": fine, "vmId": 5}}
            found = MetadataService(azure.url).machine()
            assert (found.name, found.vm_id) == (fine, "")
    finally:
        azure.close()


def test_leftovers_that_cannot_be_read_are_ignored(tmp_path: Path) -> None:
    """Files that we did not write."""
    (tmp_path / "12abc").write_text("x", "utf-8")
    (tmp_path / "4194304").write_bytes(b"\xff")
    assert end_leftovers(tmp_path) == 0


def line(phase: str) -> Record:
    """Make a line of the history."""
    return Record(TEN, "E1", "Preempt", "Scheduled", phase, "ok")


def test_a_disk_that_fails_is_said_once_and_that_it_works_again_too(tmp_path: Path) -> None:
    """The folder is gone for a while."""
    said: list[str] = []
    folder = StateFolder(tmp_path / "state", said.append)
    folder.begin()
    (tmp_path / "state").rename(tmp_path / "elsewhere")
    for _ in range(3):
        assert not folder.save(State("boot", "run"))
        folder.record(line("lost"))
    (tmp_path / "elsewhere").rename(tmp_path / "state")
    assert folder.save(State("boot", "run"))
    assert len(said) == 2
    assert "cannot be written" in said[0]
    assert "can be written again" in said[1]


def test_a_long_history_is_put_aside_and_still_read(tmp_path: Path) -> None:
    """While the agent runs, which may be for years. What is older than that is forgotten."""
    said: list[str] = []
    folder = StateFolder(tmp_path, said.append)
    folder.begin()
    folder.record(line("first"))
    with (tmp_path / "history.jsonl").open("a", encoding="utf-8") as stream:
        stream.write("x" * 5 * 1024 * 1024)
    folder.record(line("second"))
    assert [one.phase for one in read_history(tmp_path)] == ["first", "second"]
    assert (tmp_path / "history.1.jsonl").exists()


def test_a_history_that_is_a_link_is_not_written_to(tmp_path: Path) -> None:
    """It may lead to somebody else's file."""
    said: list[str] = []
    folder = StateFolder(tmp_path, said.append)
    folder.begin()
    (tmp_path / "other").write_text("", "utf-8")
    (tmp_path / "history.jsonl").symlink_to("other")
    folder.record(line("first"))
    assert (tmp_path / "other").read_text("utf-8") == ""
    assert "cannot be written" in said[0]


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_no_character_ends_what_is_printed(encoding: str) -> None:
    """One that the encoding lacks, half of a pair, or one that a terminal obeys."""
    script = (
        "from spot_agent.edges.standard_output import StandardOutput\n"
        "output = StandardOutput()\n"
        "output.say('caf\\u00e9 \\udc80 \\x1b[31m red\\n2026 forged')\n"
        "output.say('next')\n"
        "output.end()\n"
    )
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", script], capture_output=True, timeout=60, cwd=AGENT, check=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    first, second = done.stdout.decode(encoding).splitlines()
    assert first == ("caf\\xe9" if encoding == "ascii" else "caf\u00e9") + " \\udc80 \\x1b[31m red\\n2026 forged"
    assert second == "next"


def test_a_reader_that_does_not_read_holds_nobody_up() -> None:
    """Standard output is a pipe that is full; the agent must not wait for it."""
    script = (
        "from spot_agent.edges.standard_output import StandardOutput\n"
        "output = StandardOutput()\n"
        "for _ in range(3000): output.say('x' * 1000)\n"
        "output.end()\n"
        "import os; os._exit(0)\n"
    )
    process = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=AGENT
    )
    try:
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_line_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """In local time."""
    output = StandardOutput()
    output.record(line("detected"))
    output.end()
    deadline = time.monotonic() + 10
    said = ""
    while "detected" not in said and time.monotonic() < deadline:
        said += capfd.readouterr().out
    assert "Preempt Scheduled  detected: ok (event E1)" in said


@pytest.mark.skipif(sys.version_info < (3, 10), reason="an older Python does not list its standard library")
def test_nothing_but_the_standard_library_is_imported() -> None:
    """A VM has Python, and no more than that."""
    found = {
        name.partition(".")[0]
        for source in (AGENT / "spot_agent").rglob("*.py")
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        for name in _imported(node)
    }
    assert found - set(sys.stdlib_module_names) == {"spot_agent"}


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_the_one_file_runs_and_is_the_same_each_time(tmp_path: Path) -> None:
    """``make agent``: whoever compares it with a release finds no difference."""
    files = [tmp_path / "dist" / "one.pyz", tmp_path / "dist" / "two.pyz"]
    for file in files:
        subprocess.run([sys.executable, AGENT / "build_pyz.py", file], check=True, timeout=60)  # noqa: S603
    assert files[0].read_bytes() == files[1].read_bytes()
    names = zipfile.ZipFile(files[0]).namelist()
    assert all(name == "__main__.py" or name.startswith("spot_agent/") for name in names)
    state = str(tmp_path / "state")
    words = [sys.executable, str(files[0]), "history", "--state", state, "--json"]
    done = subprocess.run(words, check=True, timeout=60, capture_output=True, text=True, cwd=tmp_path)  # noqa: S603
    assert done.stdout == "[]\n"
