"""What an operator mistypes: one line that names the mistake, exit code 2, and nothing is asked of Azure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from spot_responder.cli import main
from spot_responder.commands.read_prices import MOST_BYTES

if TYPE_CHECKING:
    from pathlib import Path

SOUND = {
    # Nobody listens there: a command that went on would say so, and end with 1.
    "AzureWebJobsStorage__queueServiceUri": "https://127.0.0.1:1/nobody",
    "AzureWebJobsStorage__tableServiceUri": "https://127.0.0.1:1/nobody",
}
VM_COMMANDS = ("explain", "hold", "release", "retry", "drill")
COMMANDS = {
    "status": [],
    "plan": [],
    "queues": [],
    "doctor": [],
    "prices": [],
    "sizes": ["--like", "render-1"],
    "history": [],
    "replay": ["list"],
    **{name: ["render-1"] for name in VM_COMMANDS},
}
UNIFORM = (
    "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg"
    "/providers/Microsoft.Compute/virtualMachineScaleSets/workers/virtualMachines/0"
)

# What may be wrong with any command's words.
WORDS = [
    (["--nonsense"], "--nonsense"),
    (["--jso"], "--jso"),
    (["--json=yes"], "--json"),
    (["--local=there"], "--local"),
    (["-x"], "-x"),
    (["--json", "--verbose"], "--verbose"),
    (["--\x1b[31m\nred"], "--?[31m red"),
]
# What may be wrong with the settings by which any command finds the app.
SETTINGS = [
    ({"AzureWebJobsStorage__queueServiceUri": ""}, "AzureWebJobsStorage__queueServiceUri is missing"),
    (
        {"AzureWebJobsStorage__tableServiceUri": "http://plain"},
        "AzureWebJobsStorage__tableServiceUri is 'http://plain'",
    ),
    ({"DEAD_LETTERS_ENDPOINT": "blobs"}, "DEAD_LETTERS_ENDPOINT is 'blobs'"),
    ({"ARM_ENDPOINT": "https://user:secret@arm"}, "ARM_ENDPOINT is "),
    ({"RESTARTS_PER_DAY": "many"}, "RESTARTS_PER_DAY is 'many'"),
    ({"DRY_RUN": "maybe"}, "DRY_RUN is 'maybe'"),
    ({"RESTART_WHEN": "now"}, "RESTART_WHEN is 'now'"),
]
VMS = [
    ([], "VM"),
    ([""], "''"),
    (["../etc/passwd"], "'../etc/passwd'"),
    (["/subscriptions/s"], "'/subscriptions/s'"),
    ([UNIFORM], "virtualMachineScaleSets"),
    (["a\nb"], "a\\nb"),
    (["vm;reboot"], "'vm;reboot'"),
    (["*"], "'*'"),
    (["a" * 200], "'aaaa"),
    (["\udcff"], "'\\udcff'"),
    (["vm 1"], "'vm 1'"),
]
OWN = {
    "history": [
        (["--days", "0"], "'0'"),
        (["--days", "-1"], "--days"),
        (["--days", "99999999"], "'99999999'"),
        (["--days", "ten"], "'ten'"),
        (["--days", "1.5"], "'1.5'"),
        (["--days"], "--days"),
        (["--by", "colour"], "'colour'"),
        (["--by"], "--by"),
        (["--csv", "--json"], "--csv and --json"),
        (["yesterday"], "yesterday"),
    ],
    "replay": [
        ([], "action"),
        (["look"], "'look'"),
        (["show"], "show takes one ID"),
        (["show", "--all"], "show takes one ID"),
        (["show", "XYZ"], "'XYZ'"),
        (["show", "123"], "'123'"),
        (["requeue"], "either one ID or --all"),
        (["drop", "0123abcd", "--all"], "either one ID or --all"),
        (["list", "0123abcd"], "neither an ID nor --all"),
        (["drop", "0123abcd", "0123abce"], "0123abce"),
    ],
    "sizes": [
        ([], "--like"),
        (["--like"], "--like"),
        (["render-1"], "--like"),
        (["--like", ""], "''"),
        (["--like", "vm 1"], "'vm 1'"),
        (["--like", UNIFORM], "virtualMachineScaleSets"),
        (["--like", "render-1", "render-2"], "render-2"),
    ],
    "drill": [
        (["render-1", "--minutes", "0"], "'0'"),
        (["render-1", "--minutes", "-5"], "--minutes"),
        (["render-1", "--minutes", "1441"], "'1441'"),
        (["render-1", "--minutes", "soon"], "'soon'"),
        (["render-1", "--minutes"], "--minutes"),
        (["render-1", "bad/name"], "'bad/name'"),
    ],
}
TRIED = ["--subscription", "11111111-1111-4111-8111-111111111111", "--location", "westeurope", "--only", "R6"]
TRIALS = [
    *((words, what) for words, what in WORDS),
    (["--subscription", "mine"], "'mine'"),
    (["--location", "West Europe!"], "'West Europe!'"),
    (["--size", "a b"], "'a b'"),
    (["--max-cost", "0.1"], "'0.1'"),
    (["--max-cost", "1e9"], "'1e9'"),
    (["--only", "E1,X9"], "X9"),
    (["--only", ","], "','"),
    (["--minutes", "3"], "--minutes"),
]
SIZE_AND_OS = ["--size", "Standard_D2s_v5", "--os", "linux"]
ASKED = ["--location", "westeurope", *SIZE_AND_OS]
CASES = [
    *((name, [*usual, *words], {}, what) for name, usual in COMMANDS.items() for words, what in WORDS),
    *((name, usual, settings, what) for name, usual in COMMANDS.items() for settings, what in SETTINGS),
    *((name, words, {}, what) for name in VM_COMMANDS for words, what in VMS),
    *((name, words, {}, what) for name, cases in OWN.items() for words, what in cases),
    *(("trial", [*TRIED, *words], {}, what) for words, what in TRIALS),
    ("trial", [], {}, "--subscription"),
    ("trial", TRIED, {"ARM_ENDPOINT": "http://plain"}, "ARM_ENDPOINT is"),
    *(
        (name, ["a", "b"], {}, "b")
        for name in ("explain", "hold", "release", "retry", "status", "plan", "doctor", "prices")
    ),
]


@pytest.mark.parametrize(("name", "words", "settings", "what"), CASES)
def test_a_mistake_is_one_line_and_exit_code_2(  # noqa: PLR0913, PLR0917 - what a mistake is made of
    name: str,
    words: list[str],
    settings: dict[str, str],
    what: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It names the command and what was wrong; no traceback, no usage over ten lines, no escape of a terminal."""
    for variable, value in (SOUND | settings).items():
        monkeypatch.setenv(variable, value)
    assert main([name, *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert name in err
    assert what in err
    assert "Traceback" not in err
    assert err[:-1].isprintable()
    assert "secret" not in err


READ_PRICES = [
    ([], "FILE"),
    (["pages.json"], "--location"),
    (["pages.json", *SIZE_AND_OS], "--location"),
    (["pages.json", *SIZE_AND_OS, "--location"], "--location"),
    (["pages.json", *SIZE_AND_OS, "--location", ""], "''"),
    (["pages.json", *SIZE_AND_OS, "--location", "west;europe"], "'west;europe'"),
    (["pages.json", "--location", "westeurope", "--os", "linux"], "--size"),
    (["pages.json", "--location", "westeurope", "--os", "linux", "--size", "D2s v5"], "'D2s v5'"),
    (["pages.json", "--location", "westeurope", "--os", "linux", "--size", "a" * 200], "'aaaa"),
    (["pages.json", "--location", "westeurope", "--size", "Standard_D2s_v5"], "--os"),
    (["pages.json", "--location", "westeurope", "--size", "Standard_D2s_v5", "--os", "beos"], "'beos'"),
    (["pages.json", *ASKED, "--at", "noon"], "'noon'"),
    (["pages.json", *ASKED, "--at", "0001-01-01T00:00:00+23:59"], "'0001-01-01T00:00:00+23:59'"),
    (["pages.json", *ASKED, "--at", "2026-13-01"], "'2026-13-01'"),
    (["pages.json", *ASKED, "--at"], "--at"),
    (["pages.json", "more.json", *ASKED], "more.json"),
    (["pages.json", *ASKED, "--local"], "--local"),
]


@pytest.mark.parametrize(("words", "what"), READ_PRICES)
def test_a_price_is_asked_for_in_whole(words: list[str], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is left to be guessed: region, size and system are named; no file is read before that."""
    assert main(["read-prices", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("spot-responder read-prices: ")
    assert what in err
    assert "cannot be read" not in err


def test_each_command_is_mistyped_in_ten_ways(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that is added is tried as well."""
    main(["--help"])
    there = set(re.findall(r"^    ([a-z-]+) ", capsys.readouterr().out, re.MULTILINE))
    assert there == {*COMMANDS, *READERS, "trial"}
    assert min(sum(case[0] == name for case in CASES) for name in (*COMMANDS, "trial")) >= 10
    assert min(len(FILES), len(READ_PRICES)) >= 10


@pytest.mark.parametrize("words", [[], ["nonsense"], ["--version"], ["STATUS"], ["stat"], ["\n"], ["explain render-1"]])
def test_a_command_that_there_is_not(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Named, in one line; no abbreviation is guessed."""
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.startswith("spot-responder: ")
    assert err.count("\n") == 1


FILES = [
    (b"", "not JSON"),
    (b"{", "not JSON"),
    (b"null", "null"),
    (b"[]", "list"),
    (b'"text"', "string"),
    (b"1", "number"),
    (b"\xff\xfe", "UTF-8"),
    (b"[" * 100_000, "nested"),
    (b" " * (MOST_BYTES + 1), "larger than"),
    (b"<xml/>", "not JSON"),
]
READERS = {
    "read-event": [],
    "read-error": [],
    "read-prices": ASKED,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(("content", "what"), FILES)
def test_a_file_that_is_no_payload(
    name: str, content: bytes, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is in it."""
    file = tmp_path / "payload.json"
    file.write_bytes(content)
    assert main([name, str(file), *READERS[name]]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith(f"{name}: ")
    assert what in err
