"""The installed agent: a watcher that runs nothing itself, and a helper that runs what stands in root's files."""

from __future__ import annotations

import json
import queue
import socket
from typing import TYPE_CHECKING

import pytest

from spot_agent.configuration import ConfigurationError
from spot_agent.deciding.actions import RunHooks
from spot_agent.deciding.heard import UnitsDone
from spot_agent.installed.ask_helper import by_helper
from spot_agent.installed.helper_words import write_request
from spot_agent.installed.places import Places, parse_installed
from virtual_vm.event import started
from virtual_vm.installed_vm import InstalledVm
from virtual_vm.real_vm import preempt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spot_agent.deciding.heard import Heard

SAVES = 'echo "$SPOT_AGENT_EVENT_ID $SPOT_AGENT_EVENT_TYPE $PPID" >> "$done/begun"; {}\necho x >> "$done/saved"'


@pytest.fixture
def vm(tmp_path: Path) -> Iterator[InstalledVm]:
    """Give a VM with the agent installed, whose work is saved in a moment."""
    made = InstalledVm(tmp_path)
    made.real.hook("preempt/save", SAVES.format(""))
    made.real.hook("recover/load", 'echo "$SPOT_AGENT_RECOVERY_ID" >> "$done/loaded"')
    try:
        yield made
    finally:
        made.close()


def test_a_notice_reaches_the_hooks_by_the_helper(vm: InstalledVm) -> None:
    """The watcher hears and decides, a helper runs the hook, and what became of it is in the watcher's history."""
    vm.begin()
    vm.real.azure.events = [preempt()]
    vm.real.until(lambda: any(line["phase"] == "finished" for line in vm.real.history()))
    event_id, kind, parent = vm.real.marks("begun")[0].split()
    assert (event_id, kind) == ("E1", "Preempt")
    assert int(parent) in {helper.pid for helper in vm.helpers}
    outcomes = {line["phase"]: line["outcome"] for line in vm.real.history()}
    assert outcomes["hook preempt/save"].startswith("ok after")
    assert outcomes["finished"] == "ok"
    _take_place(vm)
    vm.real.until(lambda: vm.real.marks("loaded"))
    assert (vm.places.helper_state / "output" / "preempt-save.log").exists()
    assert not (vm.places.state / "output").exists()


def test_a_hook_that_fails_is_told_by_its_last_line(vm: InstalledVm) -> None:
    """As in the foreground."""
    vm.real.hook("preempt/save", "echo no space left; exit 3")
    vm.begin()
    vm.real.azure.events = [preempt()]
    vm.real.until(lambda: any(line["phase"] == "finished" for line in vm.real.history()))
    outcomes = {line["phase"]: line["outcome"] for line in vm.real.history()}
    assert outcomes["hook preempt/save"].startswith("exit code 3: no space left after")
    assert outcomes["finished"] == "over, 1 failed"


def test_a_watcher_that_is_killed_amid_hooks_has_them_run_again_but_not_beside(vm: InstalledVm) -> None:
    """The next one ends what still runs before it begins."""
    vm.real.hook("preempt/save", SAVES.format('[ -e "$done/fast" ] || { echo $$ > "$done/pid"; exec sleep 1000; }'))
    vm.begin()
    vm.real.azure.events = [preempt()]
    vm.real.until(lambda: vm.real.marks("pid"))
    (first,) = vm.real.marks("pid")
    vm.kill_watcher()
    (vm.real.done / "fast").touch()
    vm.begin()
    vm.real.until(lambda: vm.real.marks("saved"))
    assert not _runs(int(first))
    assert vm.real.marks("saved") == ["x"]
    assert "1 hooks of an agent that was killed" in vm.real.output()


def test_hooks_of_a_killed_watcher_run_on(vm: InstalledVm) -> None:
    """What they save is worth saving though nobody hears of it."""
    vm.real.hook("preempt/save", SAVES.format('until [ -e "$done/go" ]; do sleep 0.05; done'))
    vm.begin()
    vm.real.azure.events = [preempt()]
    vm.real.until(lambda: vm.real.marks("begun"))
    vm.kill_watcher()
    (vm.real.done / "go").touch()
    vm.real.until(lambda: vm.real.marks("saved"))
    vm.real.until(lambda: all(helper.poll() is not None for helper in vm.helpers))


def test_a_helper_that_is_to_end_lets_its_hooks_end_first(vm: InstalledVm) -> None:
    """At a shutdown, or when the agent is upgraded: the watcher waits for it."""
    vm.real.hook("preempt/save", SAVES.format('until [ -e "$done/go" ]; do sleep 0.05; done'))
    vm.begin()
    vm.real.azure.events = [preempt()]
    vm.real.until(lambda: vm.real.marks("begun"))
    for helper in vm.helpers:
        helper.terminate()
    (vm.real.done / "go").touch()
    vm.real.until(lambda: any(line["phase"] == "finished" for line in vm.real.history()))
    assert vm.real.marks("saved") == ["x"]
    assert {line["phase"]: line["outcome"] for line in vm.real.history()}["finished"] == "ok"


def test_hooks_are_not_begun_for_a_watcher_that_is_gone(vm: InstalledVm) -> None:
    """The next one has asked for them already, or will."""
    asked = RunHooks("E1/essential", "preempt", True, 20.0, 20.0, {}, {})  # noqa: FBT003 - as it is asked
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(vm.places.socket))
        connection.sendall(write_request(asked))
    vm.real.until(lambda: [helper.poll() for helper in vm.helpers] == [0])
    assert vm.real.marks("begun") == []


def test_an_event_that_is_cancelled_ends_the_hooks(vm: InstalledVm) -> None:
    """The helper is told on the same connection."""
    vm.real.hook("preempt/save", SAVES.format("exec sleep 1000"))
    vm.begin()
    vm.real.azure.events = [preempt()]
    vm.real.until(lambda: vm.real.marks("begun"))
    vm.real.azure.events = []
    vm.real.until(lambda: any(line["phase"] == "hook preempt/save" for line in vm.real.history()))
    outcomes = {line["phase"]: line["outcome"] for line in vm.real.history()}
    assert outcomes["hook preempt/save"].startswith("was asked to end")


def test_without_a_helper_the_watcher_drains_and_tells_and_says_what_failed(vm: InstalledVm) -> None:
    """It does not call a phase ok whose hooks could not be run."""
    vm.begin()
    vm.stop_listening()
    vm.real.azure.events = [preempt()]
    vm.real.until(lambda: any(line["phase"] == "finished" for line in vm.real.history()))
    outcomes = {line["phase"]: line["outcome"] for line in vm.real.history()}
    assert outcomes["drained"] == "ok"
    assert "the helper cannot be used" in outcomes["hook preempt/*"]
    assert outcomes["finished"] == "over, 2 failed"


def test_a_typing_error_made_since_does_not_keep_hooks_from_running(vm: InstalledVm) -> None:
    """The configuration is that of the watcher's begin, as in the foreground."""
    vm.places.configuration.write_text("[hook preempt/save]\nlimit_s = 7\n", "utf-8")
    vm.begin()
    vm.places.configuration.write_text("[hook preempt/save]\nlimit_s = seven\n", "utf-8")
    vm.real.azure.events = [preempt()]
    vm.real.until(lambda: vm.real.marks("saved"))


def test_the_watcher_ends_in_order_after_the_phases_under_way(vm: InstalledVm) -> None:
    """An upgrade loses nothing, and nothing is recovered after it."""
    vm.real.hook("preempt/save", SAVES.format('until [ -e "$done/go" ]; do sleep 0.05; done'))
    vm.begin()
    vm.real.azure.events = [preempt()]
    vm.real.until(lambda: vm.real.marks("begun"))
    (vm.real.done / "go").touch()
    assert vm.stop_watcher() == 0
    assert vm.real.marks("saved") == ["x"]
    assert len(vm.real.marks("begun")) == 1
    vm.begin()
    _take_place(vm)
    vm.real.until(lambda: vm.real.marks("loaded"))
    assert len(vm.real.marks("begun")) == 1


def test_systemd_hears_that_it_lives(vm: InstalledVm) -> None:
    """READY once it asks, WATCHDOG after that."""
    vm.begin()
    assert vm.next_notification() == "WATCHDOG=1"


@pytest.mark.parametrize(
    "request_line",
    [
        b"/bin/sh\n",
        b"stop-units worker.service\n",
        b"preempt-essential ../../bin/sh\n",
        b'recover {"variables": {"LD_PRELOAD": "x"}, "details": {}, "skip": [], "default_s": 1, "cap_s": 1}\n',
        b'recover {"variables": {}, "details": {}, "skip": [], "default_s": 1, "cap_s": 1e9}\n',
        b"\n",
        b"preempt-essential " + b"[" * 100_000 + b"\n",
    ],
)
def test_the_helper_takes_its_words_and_no_others(vm: InstalledVm, request_line: bytes) -> None:
    """No command, no path, no name of a unit, no other variable."""
    assert "refused" in json.loads(vm.ask(request_line))
    assert vm.real.marks("begun") == []


def test_the_helper_answers_the_watchers_user_only(vm: InstalledVm) -> None:
    """The kernel says who asks."""
    vm.watcher_uid += 1
    assert json.loads(vm.ask(b"begin\n"))["refused"].endswith("may not ask")


def test_units_are_stopped_by_the_configuration_of_root(vm: InstalledVm) -> None:
    """The word is ``stop-units``; which ones stands in the file."""
    (vm.commands / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {vm.real.done}/systemctl\n', "utf-8")
    (vm.commands / "systemctl").chmod(0o755)
    vm.places.configuration.write_text("[units]\nstop = worker.service other.service\n", "utf-8")
    heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
    executor = by_helper(vm.places.socket, heard.put, lambda _line: None)
    assert executor.end_leftovers() == 0
    executor.units.stop("E1/stop-units")
    assert heard.get(timeout=60) == UnitsDone("E1/stop-units", "ok")
    executor.units.start("start")
    assert heard.get(timeout=60) == UnitsDone("start", "ok")
    assert vm.real.marks("systemctl") == [
        "stop -- worker.service other.service",
        "start -- worker.service other.service",
    ]


def test_a_configuration_that_others_may_write_is_not_run_by(vm: InstalledVm) -> None:
    """It names folders of hooks and units: it would give them root's rights."""
    vm.places.configuration.chmod(0o666)
    assert "others may write" in json.loads(vm.ask(b"begin\n"))["refused"]


@pytest.mark.parametrize("line", ["imds = http://127.0.0.1:80", "state = /tmp/state"])
def test_an_installed_configuration_says_neither_whom_to_ask_nor_where_to_write(line: str) -> None:
    """Who writes the file could make up evictions, and collect tokens."""
    with pytest.raises(ConfigurationError, match="takes no"):
        parse_installed(f"[agent]\n{line}\n", "agent.ini", Places())


def _take_place(vm: InstalledVm) -> None:
    """Let the event start, and be over with the VM alive."""
    vm.real.azure.events = [started(event) for event in vm.real.azure.events]
    vm.real.until(lambda: any(line["phase"] == "started" for line in vm.real.history()))
    vm.real.azure.events = []


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123 - gone between two looks, often
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
