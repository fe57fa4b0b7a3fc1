"""The real process, with real hooks and sockets, and everything that Azure may do to it."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from spot_agent.commands.rehearse import _answer
from spot_agent.deciding.actions import Record
from virtual_vm.real_vm import RealVm, preempt
from virtual_vm.servers import answer
from virtual_vm.virtual_time import TEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

SAVES = (
    'echo "$SPOT_AGENT_EVENT_ID $SPOT_AGENT_EVENT_TYPE $SPOT_AGENT_SECONDS_LEFT" >> "$done/begun"; {}\n'
    'echo x >> "$done/saved"'
)
LOADS = 'echo "$SPOT_AGENT_RECOVERY_ID" >> "$done/loading"; {}\necho "$SPOT_AGENT_RECOVERY_ID" >> "$done/loaded"'


@pytest.fixture
def vm(tmp_path: Path) -> Iterator[RealVm]:
    """Give a VM whose work is saved in a moment, and loaded in a moment."""
    made = RealVm(tmp_path)
    made.hook("preempt/save", SAVES.format(""))
    made.hook("recover/load", LOADS.format(""))
    try:
        yield made
    finally:
        made.close()


def test_an_eviction_from_the_notice_to_the_work_going_on(vm: RealVm) -> None:
    """Told, drained, saved, gone; back, recovered, told."""
    vm.begin()
    vm.until(lambda: vm.health() == 200)
    shown = time.monotonic()
    vm.azure.events = [preempt()]
    vm.until(lambda: vm.marks("saved"))
    assert time.monotonic() - shown < 3
    assert vm.health() == 503
    vm.until(lambda: vm.azure.told("EvictionNotice"))
    event_id, kind, left = vm.marks("begun")[0].split()
    assert (event_id, kind) == ("E1", "Preempt")
    assert 20 <= int(left) <= 30
    (message,) = vm.azure.told("EvictionNotice")
    assert message["id"] == "E1/EvictionNotice"
    assert message["data"]["late"] is False
    vm.kill()
    vm.azure.events = []
    vm.begin()
    vm.until(lambda: vm.health() == 200)
    assert len(vm.marks("loaded")) == 1
    vm.until(lambda: vm.azure.told("WorkloadReady"))
    (ready,) = vm.azure.told("WorkloadReady")
    assert ready["data"]["recoveryId"] == vm.marks("loaded")[0]
    assert ready["data"]["hadNotice"] is True
    assert vm.azure.unruly == []
    lines = vm.history()
    assert {"at", "event_id", "event_type", "status", "phase", "outcome"} == set(lines[0])
    assert [line["phase"] for line in lines if line["event_id"] == "E1"][:2] == ["detected", "drained"]
    assert vm.azure.acknowledged == []


@pytest.mark.parametrize("phase", ["nothing", "hooks", "finished", "recovering"])
def test_killed_at_any_phase_the_work_is_recovered_once(vm: RealVm, phase: str) -> None:
    """SIGKILL: for each end one recovery is complete, under one id."""
    vm.hook("preempt/save", SAVES.format('[ -e "$done/fast" ] || sleep 30' if phase == "hooks" else ""))
    vm.hook("recover/load", LOADS.format('[ -e "$done/fast" ] || sleep 30' if phase == "recovering" else ""))
    vm.begin()
    vm.until(lambda: vm.health() == 200)
    if phase in {"hooks", "finished"}:
        vm.azure.events = [preempt()]
        mark = "begun" if phase == "hooks" else "saved"
        vm.until(lambda: vm.marks(mark))
        vm.azure.events = []
    vm.kill()
    vm.begin()
    if phase == "recovering":
        vm.until(lambda: vm.marks("loading"))
        assert vm.health() == 503
        vm.kill()
        (vm.done / "fast").touch()
        vm.begin()
    vm.until(lambda: vm.health() == 200)
    vm.until(lambda: vm.azure.told("WorkloadReady"))
    assert len(vm.marks("loaded")) == 1
    assert len(set(vm.marks("loading"))) == 1
    assert len({message["id"] for message in vm.azure.told("WorkloadReady")}) == 1


def test_an_agent_that_alone_is_killed_leaves_no_hook_to_run_twice_at_once(vm: RealVm) -> None:
    """The hooks of the killed one are ended before they are run again."""
    vm.hook("recover/load", LOADS.format('[ -e "$done/fast" ] || { echo $$ > "$done/pid"; sleep 1000; }'))
    vm.begin()
    vm.kill()
    vm.begin()
    vm.until(lambda: vm.marks("pid") and (vm.state / "running" / vm.marks("pid")[0]).exists())
    vm.kill_agent_only()
    assert is_running(int(vm.marks("pid")[0]))
    (vm.done / "fast").touch()
    vm.begin()
    vm.until(lambda: vm.health() == 200)
    assert not is_running(int(vm.marks("pid")[0]))
    assert len(vm.marks("loaded")) == 1
    assert len(set(vm.marks("loading"))) == 1
    assert "1 hooks of an agent that was killed" in vm.output()


def test_sigterm_ends_in_order_and_nothing_is_recovered(vm: RealVm) -> None:
    """The exit code says so."""
    vm.begin()
    vm.until(lambda: vm.health() == 200)
    assert vm.terminate() == 0
    vm.begin()
    vm.until(lambda: vm.health() == 200)
    assert vm.marks("loading") == []


def test_sigterm_waits_for_hooks(vm: RealVm) -> None:
    """What is being saved is saved."""
    vm.hook("preempt/save", SAVES.format("sleep 2"))
    vm.begin()
    vm.azure.events = [preempt()]
    vm.until(lambda: vm.marks("begun"))
    assert vm.terminate() == 0
    assert vm.marks("saved") == ["x"]


def refuses(status: int) -> Callable[[BaseHTTPRequestHandler], bool]:
    """Answer an error."""

    def fault(request: BaseHTTPRequestHandler) -> bool:
        answer(request, status, {"error": "no"})
        return True

    return fault


def is_silent(request: BaseHTTPRequestHandler) -> bool:
    """Never answer."""
    time.sleep(20)
    request.close_connection = True
    return True


def says_half(request: BaseHTTPRequestHandler) -> bool:
    """Send half an answer, and hang up."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
    request.close_connection = True
    return True


def drips(request: BaseHTTPRequestHandler) -> bool:
    """Send a byte now and then, so that each read is in time and the answer never ends."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    for _ in range(200):
        try:
            request.wfile.write(b" ")
        except OSError:
            break
        time.sleep(0.1)
    request.close_connection = True
    return True


def says_rubbish(request: BaseHTTPRequestHandler) -> bool:
    """Send what is no document, over and over."""
    for body in (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]", b"\0\1\2rubbish\r\n\r\n"):
        request.wfile.write(body)
    request.close_connection = True
    return True


def hangs_up(request: BaseHTTPRequestHandler) -> bool:
    """Reset the connection."""
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    request.connection.close()
    request.close_connection = True
    return True


FAULTS = {
    **{str(status): refuses(status) for status in (400, 404, 405, 410, 429, 500, 503)},
    **{fault.__name__: fault for fault in (is_silent, says_half, drips, says_rubbish, hangs_up)},
}


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_the_metadata_service_does_the_next_eviction_is_seen(vm: RealVm, name: str) -> None:
    """It is asked again each second, and never for long by a question that hangs."""
    vm.begin()
    vm.until(lambda: vm.health() == 200)
    vm.azure.fault = FAULTS[name]
    before = len(vm.azure.polls)
    vm.until(lambda: len(vm.azure.polls) >= before + 3)
    vm.azure.fault = None
    vm.azure.events = [preempt()]
    shown = time.monotonic()
    vm.until(lambda: vm.marks("saved"))
    assert time.monotonic() - shown < 4
    assert "asked again each second" in vm.output()


def test_a_first_answer_that_takes_long_holds_nothing_up(vm: RealVm) -> None:
    """The recovery is done and health says 200 while the service, which is new to this VM, lets us wait."""
    vm.begin()
    vm.until(lambda: vm.health() == 200)
    vm.kill()
    waits = [True]

    def fault(request: BaseHTTPRequestHandler) -> bool:
        del request
        deadline = time.monotonic() + 30
        while waits[0] and time.monotonic() < deadline:
            time.sleep(0.05)
        return False

    vm.azure.fault = fault
    vm.begin()
    vm.until(lambda: vm.health() == 200)
    assert len(vm.marks("loaded")) == 1
    vm.until(lambda: "does not answer" in vm.output())
    vm.azure.events = [preempt()]
    waits[0] = False
    vm.until(lambda: vm.marks("saved"))


@pytest.mark.parametrize("status", [400, 404])
def test_a_service_that_knows_only_the_older_version(vm: RealVm, status: int) -> None:
    """Documentation and code disagree on how it says so."""
    vm.azure.versions, vm.azure.unknown_version = {"2020-07-01"}, status
    vm.begin()
    vm.azure.events = [preempt()]
    vm.until(lambda: vm.marks("saved"))


def test_maintenance_is_acknowledged_and_told(vm: RealVm) -> None:
    """After its hook."""
    vm.hook("reboot/save", SAVES.format(""))
    vm.begin()
    vm.azure.events = [preempt("R1", 600, "Reboot")]
    vm.until(lambda: vm.azure.acknowledged)
    assert vm.azure.acknowledged == ["R1"]
    assert vm.marks("saved") == ["x"]
    vm.until(lambda: vm.azure.told("Maintenance"))


def test_an_event_whose_id_no_hook_can_be_told_stops_nothing_else(vm: RealVm) -> None:
    """A variable cannot hold a null character; the next event is acted upon."""
    vm.begin()
    vm.azure.events = [preempt("bad\0id")]
    vm.until(lambda: any(line["phase"] == "finished" for line in vm.history()))
    (line,) = [line for line in vm.history() if line["phase"] == "hook preempt/save"]
    assert line["outcome"].startswith("could not be run: ")
    vm.azure.events = [preempt("good")]
    vm.until(lambda: vm.marks("saved"))
    assert vm.marks("begun")[0].startswith("good")


def test_a_queue_that_is_out_is_told_late(vm: RealVm) -> None:
    """By the next run, under the same id."""
    vm.azure.queue_status = 503
    vm.begin()
    vm.azure.events = [preempt()]
    vm.until(lambda: any("kept for later" in line["outcome"] for line in vm.history()))
    vm.kill()
    vm.azure.events, vm.azure.queue_status = [], 201
    vm.begin()
    vm.until(lambda: vm.azure.told("EvictionNotice"))
    (message,) = vm.azure.told("EvictionNotice")
    assert (message["id"], message["data"]["late"]) == ("E1/EvictionNotice", True)


def test_a_hook_that_hangs_and_forks_is_ended_with_what_it_forked(vm: RealVm, tmp_path: Path) -> None:
    """Each hook has a process group of its own, and a limit; the others are not held up."""
    config = tmp_path / "agent.ini"
    config.write_text("[hook preempt/hangs]\nlimit_s = 1\n", "utf-8")
    vm.arguments = ["--config", str(config)]
    vm.hook("preempt/hangs", 'trap "" TERM; sleep 1000 & echo $! > "$done/child"; echo on my way; sleep 1000')
    vm.begin()
    vm.azure.events = [preempt()]
    vm.until(lambda: vm.marks("saved"))
    vm.until(lambda: any(line["phase"] == "finished" for line in vm.history()))
    (line,) = [line for line in vm.history() if line["phase"] == "hook preempt/hangs"]
    assert line["outcome"].startswith("was too slow: asked to end after 1 s, killed: on my way")
    child = int(vm.marks("child")[0])
    vm.until(lambda: not is_running(child))


def test_what_a_hook_leaves_running_outlives_hook_and_agent(vm: RealVm) -> None:
    """A recover hook may start the work and end; the work is not killed with the agent."""
    vm.hook("recover/load", 'nohup sleep 1000 & echo $! > "$done/child"')
    vm.begin()
    vm.kill()
    vm.begin()
    vm.until(lambda: vm.health() == 200)
    child = int(vm.marks("child")[0])
    vm.terminate()
    assert is_running(child)
    os.kill(child, signal.SIGKILL)


def test_hooks_that_fail_or_cannot_be_run_hide_no_other(vm: RealVm) -> None:
    """Exit code and last line are kept."""
    vm.hook("preempt/fails", "echo no bucket >&2; exit 3")
    (vm.hook("preempt/bad", "")).write_text("#!/no/such/shell\n", "utf-8")
    (vm.hook("preempt/deaf", "exec <&-; exit 0"))
    vm.hook("preempt/notes.txt", "exit 1", mode=0o644)
    vm.begin()
    vm.azure.events = [preempt()]
    vm.until(lambda: any(line["phase"] == "finished" for line in vm.history()))
    outcomes = {line["phase"]: line["outcome"].partition(" after")[0] for line in vm.history()}
    assert outcomes["hook preempt/fails"] == "exit code 3: no bucket"
    assert outcomes["hook preempt/bad"].startswith("could not be run: ")
    assert outcomes["hook preempt/deaf"] == "ok"
    assert outcomes["hook preempt/save"] == "ok"
    assert "hook preempt/notes.txt" not in outcomes


@pytest.mark.parametrize("writable", ["preempt/save", "preempt", "."])
def test_what_others_may_write_is_not_run(vm: RealVm, writable: str) -> None:
    """A file, or a folder in which it could be replaced."""
    path = vm.hooks / writable
    path.chmod(path.stat().st_mode | stat.S_IWOTH)
    vm.begin()
    vm.azure.events = [preempt()]
    vm.until(lambda: any(line["phase"] == "finished" for line in vm.history()))
    assert vm.marks("begun") == []
    (line,) = [line for line in vm.history() if line["phase"] == "hook preempt/save"]
    assert line["outcome"].startswith("refused: others may write")


def test_a_disk_that_takes_nothing_stops_nothing(vm: RealVm) -> None:
    """Hooks run, the responder is told, health says 503; and it is said that nothing is written down."""
    vm.hook("preempt/save", ': > "$done/touched"')
    vm.state.mkdir()
    vm.before_exec = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    (vm.state / "reserve").write_bytes(b"0")
    (vm.state / "history.jsonl").write_text("\n" * 4096, "utf-8")
    vm.begin()
    vm.azure.events = [preempt(event_id="E" * 5000)]
    vm.until((vm.done / "touched").exists)
    vm.until(lambda: vm.health() == 503)
    vm.until(lambda: vm.azure.told("EvictionNotice"))
    vm.until(lambda: "cannot be written" in vm.output())


def test_the_state_folder_of_a_running_agent_is_refused(vm: RealVm) -> None:
    """Two would act twice."""
    vm.begin()
    _, said = vm.ask("status")
    assert said["running"] is True
    words = [sys.executable, "-m", "spot_agent", "run", "--state", str(vm.state), "--hooks", str(vm.hooks)]
    second = subprocess.run(  # noqa: S603 - our own words
        [*words, "--imds", vm.azure.url], env=vm.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 2
    assert "another agent runs" in second.stderr
    assert len(second.stderr.splitlines()) == 1


def test_half_a_line_and_half_a_state_are_borne(vm: RealVm) -> None:
    """As a power loss may leave them, on a disk that does not keep its word."""
    vm.begin()
    vm.azure.events = [preempt()]
    vm.until(lambda: any(line["phase"] == "finished" for line in vm.history()))
    vm.kill()
    vm.azure.events = []
    before = len(vm.history())
    for name, keep in (("state.json", 100), ("history.jsonl", -10)):
        file = vm.state / name
        file.write_bytes(file.read_bytes()[:keep])
    vm.begin()
    vm.until(lambda: vm.health() == 200)
    assert len(vm.marks("loaded")) == 1
    vm.until(lambda: len(vm.history()) > before)
    assert (vm.state / "state.json.unreadable").exists()


def test_status_says_how_the_agent_is_doing(vm: RealVm) -> None:
    """And by its exit code whether it hears the metadata service."""
    code, said = vm.ask("status")
    assert (code, said["running"], said["last_answer_at"]) == (1, False, None)
    vm.begin()
    vm.azure.events = [preempt()]
    vm.until(lambda: vm.marks("saved"))
    vm.until(lambda: vm.ask("status")[0] == 0)
    _, said = vm.ask("status")
    assert said["vm"]["fault_domain"] == "1"
    assert said["vm"]["update_domain"] == "2"
    assert [one["event_type"] for one in said["notices"]] == ["Preempt"]
    assert said["hooks"] == {"preempt": ["save"], "recover": ["load"]}


def test_status_is_not_seconds_late(vm: RealVm) -> None:
    """Neither after the first answer nor when work is no longer taken."""
    vm.begin()
    vm.until(lambda: vm.ask("status")[1]["hears_metadata_service"], 5)
    vm.azure.events = [preempt()]
    vm.until(lambda: vm.health() == 503)
    vm.until(lambda: vm.ask("status")[1]["ready"] is False, 3)


def test_check_finds_nothing_wrong_where_all_is_right(vm: RealVm) -> None:
    """With a load balancer, it says what its probe may be like."""
    vm.azure.load_balancer = {"loadbalancer": {"inboundRules": [{"backendPort": 443}]}}
    code, said = vm.ask("check", "--queue", vm.azure.queue_url, "--health-port", "8099")
    assert {one["name"]: one["ok"] for one in said} == {
        "metadata service": True,
        "own name": True,
        "queue": True,
        "hooks": True,
        "units": None,
        "probe": True,
        "clock": True,
        "disk": True,
    }
    assert code == 0
    (probe,) = [one["says"] for one in said if one["name"] == "probe"]
    assert "443" in probe
    assert "interval x threshold" in probe


def test_check_names_what_is_wrong(vm: RealVm) -> None:
    """Each thing in a line that says what to do."""
    vm.hook("preempt/save", "", mode=0o777)
    vm.hook("preempt/forgotten", "", mode=0o644)
    (vm.hooks / "reboot").write_text("", "utf-8")
    vm.azure.queue_status = 403
    vm.azure.load_balancer = {"loadbalancer": {"inboundRules": [{"backendPort": 443}]}}
    code, said = vm.ask("check", "--queue", vm.azure.queue_url)
    wrong = {one["name"]: one["says"] for one in said if one["ok"] is False}
    assert code == 1
    assert set(wrong) == {"queue", "hooks", "probe"}
    assert "Storage Queue Data Message Sender" in wrong["queue"]
    assert "chmod go-w" in wrong["hooks"]
    assert "forgotten is not executable" in wrong["hooks"]
    assert "reboot is a file, not a folder of hooks" in wrong["hooks"]
    assert "--health-port" in wrong["probe"]


def test_a_rehearsal_plays_every_hook_and_tells_nobody(vm: RealVm) -> None:
    """Beside the agent that runs; nothing of it is in that one's history."""
    vm.hook("preempt/save", '[ -n "$SPOT_AGENT_REHEARSAL" ] && cat > "$done/words"')
    vm.begin()
    code, said = vm.ask("rehearse")
    assert (code, said["fits"]) == (0, True)
    assert [step["phase"] for step in said["steps"]] == [
        "hook preempt/save",
        "essential",
        "finished",
        "hook recover/load",
        "recover",
    ]
    assert json.loads(vm.marks("words")[0])["eventType"] == "Preempt"
    assert vm.history() == []
    assert vm.azure.messages == []
    assert vm.azure.acknowledged == []


@pytest.mark.parametrize("begun", ["begun", "loading"])
def test_a_rehearsal_that_is_interrupted_recovers_the_work(vm: RealVm, begun: str) -> None:
    """Whoever presses Ctrl-C must not find the work stopped; a hook that is under way is ended."""
    vm.hook("preempt/save", SAVES.format("sleep 1000" if begun == "begun" else ""))
    vm.hook("recover/load", LOADS.format("sleep 1"))
    rehearsal = vm.start("rehearse")
    vm.until(lambda: vm.marks(begun))
    rehearsal.send_signal(signal.SIGINT)
    said = json.loads(rehearsal.communicate(timeout=60)[0])
    assert len(vm.marks("loaded")) == 1
    assert said["steps"][-1]["phase"] == "recover"
    assert said["fits"] == (begun == "loading")
    assert rehearsal.returncode == (0 if said["fits"] else 1)


@pytest.mark.parametrize("hook", ["preempt/save", "recover/load"])
@pytest.mark.parametrize("runs", ["agent", "none"])
def test_a_rehearsal_gives_way_to_a_real_notice(vm: RealVm, hook: str, runs: str) -> None:
    """Its recover would undo what the agent saves; where no agent runs, what its own hooks are saving is saved."""
    for_rehearsal = '[ -z "$SPOT_AGENT_REHEARSAL" ] || sleep {}'
    vm.hook("preempt/save", SAVES.format(for_rehearsal.format(4 if hook == "preempt/save" else 0)))
    vm.hook("recover/load", LOADS.format(for_rehearsal.format(30)))
    if runs == "agent":
        vm.begin()
        vm.until(lambda: vm.health() == 200)
    rehearsal = vm.start("rehearse")
    vm.until(lambda: vm.marks("loading" if hook == "recover/load" else "begun"))
    vm.azure.events = [preempt("REAL")]
    said = json.loads(rehearsal.communicate(timeout=60)[0])
    assert rehearsal.returncode == 1
    assert said["fits"] is False
    assert "Preempt REAL" in said["ended_by"]
    assert vm.marks("loaded") == []
    saved = 2 if (hook, runs) == ("recover/load", "agent") else 1
    vm.until(lambda: len(vm.marks("saved")) == saved, 10)
    if runs == "agent":
        assert [line.split()[0] for line in vm.marks("begun")][1:] == ["REAL"]
        assert vm.health() == 503


def test_a_rehearsal_is_not_begun_while_a_notice_is_under_way(vm: RealVm) -> None:
    """By the word of Azure, where no agent runs; and of the agent, where Azure is silent."""
    vm.azure.events = [{**preempt("OTHER"), "Resources": ["render-2"]}, preempt("F", 600, "Freeze")]
    assert vm.ask("rehearse")[0] == 0
    begun = vm.marks("begun")
    vm.azure.events = [preempt("REAL")]
    code, said = vm.ask("rehearse")
    assert (code, said["ended_by"]) == (1, "Azure shows Preempt REAL (Scheduled)")
    vm.begin()
    vm.until(lambda: any(line["phase"] == "finished" for line in vm.history()))
    begun = vm.marks("begun")
    vm.azure.fault = refuses(500)
    code, said = vm.ask("rehearse")
    assert (code, said["ended_by"]) == (1, "the agent acts upon Preempt REAL")
    assert vm.marks("begun") == begun


def test_a_rehearsal_is_not_begun_while_a_recovery_is_not_complete(vm: RealVm) -> None:
    """It would save what is not loaded yet over what is."""
    vm.hook("recover/load", LOADS.format("exit 1"))
    vm.begin()
    vm.kill()
    vm.begin()
    vm.until(lambda: vm.marks("loading"))
    code, said = vm.ask("rehearse")
    assert code == 1
    assert said["ended_by"].endswith("is not complete")
    assert vm.marks("begun") == []


def test_an_event_that_is_over_for_the_agent_hinders_no_rehearsal(vm: RealVm) -> None:
    """Azure shows for minutes what took the VM down."""
    vm.begin()
    vm.until(lambda: vm.health() == 200)
    vm.kill()
    vm.azure.events = [{**preempt("R", 0, "Reboot"), "EventStatus": "Started", "NotBefore": ""}]
    assert vm.ask("rehearse")[1]["ended_by"] == "Azure shows Reboot R (Started)"
    vm.environment["SPOT_BOOT_ID"] = "the next one"
    vm.begin()
    vm.until(lambda: any(line["phase"] == "over" for line in vm.history()))
    vm.until(lambda: vm.health() == 200)
    assert vm.ask("rehearse")[0] == 0


def test_while_nobody_says_how_the_vm_is_called_each_event_hinders_a_rehearsal(vm: RealVm) -> None:
    """It may be about us."""
    vm.azure.instance = {}
    vm.azure.events = [preempt("REAL")]
    assert vm.ask("rehearse")[1]["ended_by"] == "Azure shows Preempt REAL (Scheduled)"


def test_without_a_metadata_service_a_rehearsal_is_played_all_the_same(vm: RealVm) -> None:
    """To try hooks on any machine."""
    assert vm.ask("rehearse", "--imds", "http://127.0.0.1:9")[0] == 0


def test_a_state_folder_that_cannot_be_looked_at_hinders_no_rehearsal(vm: RealVm) -> None:
    """It may be another user's; what was rehearsed is answered all the same."""
    (vm.state / "lock").mkdir(parents=True)
    assert vm.ask("rehearse")[0] == 0


def test_two_rehearsals_at_once_are_refused(vm: RealVm) -> None:
    """One's recover would undo the other's saving."""
    vm.hook("preempt/save", SAVES.format('[ -e "$done/fast" ] || sleep 1000'))
    first = vm.start("rehearse")
    vm.until(lambda: vm.marks("begun"))
    code, said = vm.ask("rehearse")
    assert code == 1
    assert said["ended_by"].startswith("another rehearsal of ")
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    (vm.done / "fast").touch()
    assert vm.ask("rehearse")[0] == 0


def test_without_hooks_there_is_nothing_to_rehearse(vm: RealVm) -> None:
    """That is no success."""
    for name in ("preempt/save", "recover/load"):
        (vm.hooks / name).unlink()
    code, said = vm.ask("rehearse")
    assert (code, said["fits"], said["steps"]) == (1, False, [])


def test_a_terminal_that_is_closed_leaves_no_work_stopped(vm: RealVm) -> None:
    """SIGHUP, even twice, shortens a rehearsal; the work is recovered."""
    vm.hook("preempt/save", SAVES.format("sleep 1000"))
    vm.hook("recover/load", LOADS.format("sleep 1"))
    rehearsal = vm.start("rehearse")
    vm.until(lambda: vm.marks("begun"))
    rehearsal.send_signal(signal.SIGHUP)
    vm.until(lambda: vm.marks("loading"))
    rehearsal.send_signal(signal.SIGHUP)
    rehearsal.communicate(timeout=60)
    assert len(vm.marks("loaded")) == 1


def test_sighup_ends_the_agent_as_sigterm_does(vm: RealVm) -> None:
    """After the phases under way, and in order; begun by ``nohup`` it goes on."""
    vm.hook("preempt/save", SAVES.format("sleep 2"))
    vm.begin()
    vm.azure.events = [preempt()]
    vm.until(lambda: vm.marks("begun"))
    assert vm.terminate(signal.SIGHUP) == 0
    assert vm.marks("saved") == ["x"]
    assert (vm.state / "ended").exists()
    vm.azure.events = []
    vm.before_exec = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    vm.begin()
    vm.send(signal.SIGHUP)
    vm.until(lambda: vm.health() == 200)


def test_a_rehearsal_in_which_the_work_is_not_recovered_is_not_fine(vm: RealVm) -> None:
    """The second signal ends it at once."""
    vm.hook("recover/load", LOADS.format("sleep 1000"))
    rehearsal = vm.start("rehearse")
    vm.until(lambda: vm.marks("loading"))
    rehearsal.send_signal(signal.SIGINT)
    rehearsal.send_signal(signal.SIGTERM)
    assert json.loads(rehearsal.communicate(timeout=60)[0])["fits"] is False
    assert rehearsal.returncode == 1


def test_a_rehearsal_in_which_units_do_not_stop_is_not_fine() -> None:
    """They hold what the hooks save."""
    lines = [
        Record(TEN, "E1", "Preempt", "Scheduled", phase, outcome)
        for phase, outcome in (
            ("detected", "ok"),
            ("stop-units", "systemctl stop failed with 5: no"),
            ("recover", "ok"),
        )
    ]
    said = _answer(lines)
    assert said.code == 1
    assert "stop-units: systemctl stop failed with 5: no" in said.text
    assert _answer([lines[0], lines[2]]).code == 0
    assert _answer([]).code == 1


def test_a_rehearsal_says_what_does_not_fit(vm: RealVm) -> None:
    """By its exit code too."""
    vm.hook("preempt/save", "sleep 6")
    code, said = vm.ask("rehearse")
    assert (code, said["fits"]) == (1, False)
    (essential,) = [step for step in said["steps"] if step["phase"] == "essential"]
    assert essential["outcome"] == "not over after 5 s"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "--health-port", "70000"], "a port is a number from 0 to 65535"),
        (["run", "--queue", "http://account.queue.core.windows.net/agents"], "the queue's URL is like https://"),
        (["run", "--config", "/no/such/file"], "/no/such/file cannot be read: No such file"),
        (["run", "--state", "/proc/no"], "/proc/no"),
        (["check", "--imds", "foo"], "the metadata service's address is like http://169.254.169.254, not 'foo'"),
        (["check", "--imds", "http://a:b"], "--imds"),
        (["rune"], "invalid choice: 'rune'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(vm: RealVm, words: list[str], says: str) -> None:
    """With exit code 2, before anything is done."""
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "spot_agent", *words], env=vm.environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named(vm: RealVm) -> None:
    """Somebody else answers there."""
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        run = vm.start("run", "--health-port", str(port))
        _, said = run.communicate(timeout=60)
    assert run.returncode == 2
    assert said == f"spot-agent: health port {port}: Address already in use\n"


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stream:  # noqa: PTH123 - a path of the kernel's
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
