"""The operator's commands, run as an operator runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spot_responder.cli import main

PAYLOADS = Path(__file__).parents[1] / "payloads"
EVENT = PAYLOADS / "events" / "annotated_preempted_eventgrid.json"
VM = (
    "/subscriptions/11111111-aaaa-4bbb-8ccc-222222222222/resourceGroups/rg-batch"
    "/providers/Microsoft.Compute/virtualMachines/spot-01"
)


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the real command in a process of its own."""
    command = [sys.executable, "-m", "spot_responder", *arguments]
    repository = PAYLOADS.parents[1]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, cwd=repository, timeout=30)  # noqa: S603


def refusal(command: str, file: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must refuse its file; give the one line it says."""
    assert main([command, file]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{command}: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err


def test_an_eviction_is_shown_as_one_json_object() -> None:
    """An operator sees which VM, what happened, when, and who says so."""
    done = run("read-event", str(EVENT))
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == {
        "vm_id": VM,
        "kind": "evicted",
        "occurred_at": "2026-03-01T10:00:00.123456Z",
        "source": "health_annotation",
        "actionable": True,
    }


def test_an_event_comes_from_standard_input_as_well() -> None:
    """What another command prints can be piped in."""
    done = run("read-event", "-", stdin=EVENT.read_bytes())
    assert done.returncode == 0
    assert json.loads(done.stdout)["kind"] == "evicted"


def test_an_error_comes_from_standard_input_as_well() -> None:
    """An answer of Azure can be piped in; no status means that no answer came."""
    done = run("read-error", "-", stdin=b'{"status": null, "headers": null, "body": null}')
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"kind": "unknown", "code": "NoAnswer", "message": "", "retry_after_s": None}


def shell(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a shell's line, in which $RESPONDER is the real command."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), **variables}
    environment["RESPONDER"] = f"{sys.executable} -m spot_responder"
    repository = PAYLOADS.parents[1]
    return subprocess.run(  # noqa: S602 - the shell is what is tried
        command, shell=True, capture_output=True, check=False, cwd=repository, timeout=30, text=True, env=environment
    )


@pytest.mark.parametrize(
    ("line", "exit_code", "said"),
    [
        ("{read} > /dev/full", 1, "read-event: the answer could not be written: No space left on device\n"),
        ("{read} >&-", 1, "read-event: there is no standard output to answer on\n"),
        ("$RESPONDER --help > /dev/full", 1, "spot-responder: the answer could not be written: No space left on"),
        ("$RESPONDER status 2>&-", 2, ""),
        ("$RESPONDER nonsense 2> /dev/full", 2, ""),
        ("$RESPONDER status 2> /dev/full", 2, ""),
        ("{read} | true", 0, ""),
    ],
)
def test_output_that_takes_nothing_is_said_in_one_line(line: str, exit_code: int, said: str) -> None:
    """A full disk, a closed stream: no traceback, and never success for what was not written."""
    done = shell(line.format(read=f"$RESPONDER read-event {EVENT}"))
    assert (done.returncode, done.stdout) == (exit_code, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == bool(said)


def test_letters_that_an_output_lacks_are_written_by_their_number() -> None:
    """A terminal in ASCII gets the answer, too."""
    done = shell("$RESPONDER explain --help", PYTHONIOENCODING="ascii:strict")
    assert (done.returncode, done.stderr) == (0, "")
    assert "/subscriptions/\\u2026/resourceGroups" in done.stdout


def test_for_programs_a_failure_is_json_as_well() -> None:
    """On standard error; what is mistyped is said as to anybody."""
    done = run("status", "--json")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "AzureWebJobsStorage__queueServiceUri is missing" in json.loads(done.stderr)["error"]


def test_help_shows_examples() -> None:
    """Somebody who does not know the commands learns them."""
    done = run("--help")
    assert done.returncode == 0
    assert b"read-event event.json" in done.stdout
    assert b"read-error" in done.stdout


def test_an_unknown_command_is_refused() -> None:
    """A typing error is not taken for success."""
    assert run("read-evnt", str(EVENT)).returncode == 2
    assert run().returncode == 2


def test_rubbish_on_standard_input_is_refused_in_one_line() -> None:
    """No traceback, whatever is piped in."""
    done = run("read-event", "-", stdin=b"\x00\xff\x00")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert b"Traceback" not in done.stderr


def test_too_much_on_standard_input_is_refused() -> None:
    """An endless stream is not read to its end."""
    done = run("read-error", "-", stdin=b" " * (1024 * 1024 + 1))
    assert done.returncode == 2
    assert b"larger than 1048576 bytes" in done.stderr


def test_an_event_that_asks_nothing_of_us_is_shown_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Not for us is no error."""
    assert main(["read-event", str(PAYLOADS / "events" / "annotated_reboot_cloudevent.json")]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown.keys() == {"actionable", "reason"}
    assert shown["actionable"] is False
    assert "VirtualMachineRebootInitiatedByControlPlane" in shown["reason"]


def test_a_time_on_the_second_ends_in_z(capsys: pytest.CaptureFixture[str]) -> None:
    """Times are ISO 8601 in UTC."""
    main(["read-event", str(PAYLOADS / "events" / "follow_up.json")])
    assert json.loads(capsys.readouterr().out)["occurred_at"] == "2026-03-01T10:00:02Z"


@pytest.mark.parametrize(
    ("name", "kind", "code", "retry_after_s"),
    [
        ("poll_allocation_failed", "capacity", "AllocationFailed", None),
        ("compute_throttled_flat", "throttled", "TooManyRequests", 1200),
        ("graph_rate_limiting", "throttled", "RateLimiting", 5),
    ],
)
def test_an_answer_of_azure_is_shown_with_its_kind(
    name: str, kind: str, code: str, retry_after_s: float | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """An operator sees what the responder makes of a refusal."""
    assert main(["read-error", str(PAYLOADS / "errors" / f"{name}.json")]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown.keys() == {"kind", "code", "message", "retry_after_s"}
    assert (shown["kind"], shown["code"], shown["retry_after_s"]) == (kind, code, retry_after_s)


@pytest.mark.parametrize("command", ["read-event", "read-error"])
def test_a_file_that_is_not_there_or_no_file_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing file, a directory, a name that cannot be: one clear line each."""
    assert "No such file" in refusal(command, str(tmp_path / "missing.json"), capsys)
    assert "directory" in refusal(command, str(tmp_path), capsys)
    assert "null byte" in refusal(command, "a\0b", capsys)


@pytest.mark.parametrize("command", ["read-event", "read-error"])
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not JSON"),
        (b"\x7fELF\x02\x01\x01\x00\xff\xfe", "not UTF-8"),
        (b"[1, 2]", "a list of 2"),
        (b'"text"', "a string"),
        (b"[" * 100_000, "nested too deeply"),
        (b" " * (1024 * 1024 + 1), "larger than 1048576 bytes"),
    ],
)
def test_a_file_that_holds_no_object_is_refused(
    command: str, content: bytes, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Binary, empty, huge or otherwise senseless: one clear line each."""
    file = tmp_path / "file\nwith a line break.json"
    file.write_bytes(content)
    assert why in refusal(command, str(file), capsys)


def test_an_event_that_cannot_be_read_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """What it seems to be is said, and what was expected."""
    line = refusal("read-event", str(PAYLOADS / "events" / "bad_imds_document.json"), capsys)
    assert "IMDS" in line
    assert "expected an Event Grid event" in line


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"error": {"code": "AllocationFailed"}}', "'status'"),
        ('{"status": "Failed", "error": {"code": "AllocationFailed"}}', "'status'"),
        ('{"status": true, "headers": {}, "body": {}}', "'status'"),
        ('{"status": 409, "headers": ["Retry-After"], "body": {}}', "'headers'"),
    ],
)
def test_an_answer_needs_its_status_around_the_body(
    content: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bare body is refused with the form that is expected."""
    file = tmp_path / "error.json"
    file.write_text(content, encoding="utf-8")
    line = refusal("read-error", str(file), capsys)
    assert why in line
    assert "expected" in line
