"""``install``: what it writes, what it refuses, and what systemd finds about the units."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from build_pyz import build
from spot_agent.commands.check import Verdict, service
from spot_agent.configuration import parse_configuration
from spot_agent.installed.places import Places
from spot_agent.installed.settings_text import FIRST_TEXT, with_keys
from spot_agent.installed.unit_texts import unit_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

QUEUE: Final = "https://account.queue.core.windows.net/agents"
MOST_EXPOSED: Final = 2.0
LITTLE_ROOM: Final = """
import resource, runpy, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here (Debian: package systemd)"
)


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the agent in one file."""
    target = tmp_path_factory.mktemp("dist") / "spot-agent.pyz"
    build(target)
    return target


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Give an empty root."""
    return Places(tmp_path / "root")


def spot_agent(program: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the agent in one file, as its owner does."""
    return subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-I", str(program), *words], capture_output=True, text=True, timeout=120, check=False
    )


def install(pyz: Path, places: Places, *words: str) -> str:
    """Install below the root; give what it says."""
    done = spot_agent(pyz, "install", "--root", str(places.root), *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_installed_belongs_to_root_and_nobody_else_may_write_it(pyz: Path, places: Places) -> None:
    """Else it would give others root's rights."""
    install(pyz, places, "--queue", QUEUE)
    made = [path for path in places.root.rglob("*") if not path.is_symlink()]
    assert {path for path in made if path.stat().st_mode & 0o022} == set()
    assert {path for path in made if not path.stat().st_mode & 0o004} == set()
    events = {folder.name for folder in places.hooks.iterdir()}
    assert events == {"preempt", "rebalance", "terminate", "reboot", "redeploy", "freeze", "cancelled", "recover"}


def test_the_installed_program_runs_by_the_python_that_installed_it(pyz: Path, places: Places) -> None:
    """As it is called, without ``python3``."""
    install(pyz, places)
    done = subprocess.run(  # noqa: S603 - what we installed
        [places.program, "--help"], capture_output=True, text=True, timeout=120, check=False
    )
    assert "eviction" in done.stdout


@pytest.mark.parametrize("kept", [".pyc", ".py"])
def test_it_has_bytecode_for_its_python_and_sources_for_another(
    pyz: Path, places: Places, tmp_path: Path, kept: str
) -> None:
    """A helper begins within a notice: it must not compile first. The system's Python may be upgraded."""
    install(pyz, places)
    part = tmp_path / "part.pyz"
    with zipfile.ZipFile(places.program) as whole, zipfile.ZipFile(part, "w") as packed:
        for name in whole.namelist():
            if name.endswith(kept):
                packed.writestr(name, whole.read(name))
    assert "eviction" in spot_agent(part, "--help").stdout


def test_an_installed_program_installs_itself(pyz: Path, places: Places, tmp_path: Path) -> None:
    """The downloaded file may be gone."""
    install(pyz, places)
    install(places.program, Places(tmp_path / "other"))
    assert _sources(Places(tmp_path / "other").program) == _sources(pyz)


def test_upgrading_keeps_what_the_owner_wrote(pyz: Path, places: Places) -> None:
    """Hooks, drop-ins, and every line of the configuration but a key that is given."""
    install(pyz, places, "--queue", QUEUE)
    text = places.configuration.read_text("utf-8") + "\n[units]\nstop = worker.service ; mine\n"
    places.configuration.write_text(text.replace(" ; mine", ""), "utf-8")
    hook = places.hooks / "preempt" / "save"
    hook.write_text("#!/bin/sh\n", "utf-8")
    drop_in = places.own_units / "spot-agent.service.d" / "override.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nNice=-5\n", "utf-8")
    install(pyz, places, "--queue", QUEUE.replace("account", "other"))
    assert hook.exists()
    assert drop_in.exists()
    kept = places.configuration.read_text("utf-8")
    assert kept == text.replace(" ; mine", "").replace(QUEUE, QUEUE.replace("account", "other"), 1)


def test_a_unit_that_somebody_changed_is_kept_aside(pyz: Path, places: Places) -> None:
    """And said; one that nobody changed is only replaced."""
    install(pyz, places)
    assert "changed" not in install(pyz, places)
    unit = places.units / "spot-agent.service"
    changed = unit.read_text("utf-8").replace("CPUWeight=1000", "CPUWeight=10")
    unit.write_text(changed, "utf-8")
    assert "is kept as" in install(pyz, places)
    assert (places.units / "spot-agent.service.changed").read_text("utf-8") == changed
    assert "CPUWeight=1000" in unit.read_text("utf-8")


@pytest.mark.parametrize("line", ["imds = http://127.0.0.1:8080", "stat = /tmp", "health_port = many"])
def test_a_configuration_that_cannot_be_is_refused_before_anything_is_written(
    pyz: Path, places: Places, line: str
) -> None:
    """The agent that is there goes on with what it has."""
    places.settings.mkdir(parents=True)
    places.configuration.write_text(f"[agent]\n{line}\n", "utf-8")
    done = spot_agent(pyz, "install", "--root", str(places.root), "--queue", QUEUE)
    assert done.returncode == 2
    assert str(places.configuration) in done.stderr
    assert not places.program.exists()
    assert QUEUE not in places.configuration.read_text("utf-8")


def test_a_configuration_in_another_encoding_is_refused_in_one_line(pyz: Path, places: Places) -> None:
    """And named, as every other that cannot be read."""
    places.settings.mkdir(parents=True)
    places.configuration.write_bytes(b"\xff\xfe[agent]")
    done = spot_agent(pyz, "install", "--root", str(places.root))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"spot-agent: {places.configuration}: ")
    assert not places.program.exists()


def test_a_disk_that_is_full_is_told_with_where(pyz: Path, places: Places) -> None:
    """The limit of a process stands for the disk's; no half file is left to fill it."""
    places.program.parent.mkdir(parents=True)
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-Ic", LITTLE_ROOM, pyz, "install", "--root", places.root],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, f"spot-agent: {places.program}: File too large\n")
    assert list(places.program.parent.iterdir()) == []


def test_a_python_that_others_may_replace_is_refused(pyz: Path, places: Places, tmp_path: Path) -> None:
    """It would run as root."""
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    python.parent.chmod(0o777)
    done = subprocess.run(  # noqa: S603 - our own words
        [python, "-I", pyz, "install", "--root", places.root], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert "others may write" in done.stderr
    assert not places.root.exists()


def test_only_the_one_file_installs_itself(places: Places) -> None:
    """From a clone there is nothing to copy."""
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "spot_agent", "install", "--root", str(places.root)],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "spot-agent.pyz" in done.stderr


@pytest.mark.skipif(Path("/run/systemd/system").is_dir() and not os.getuid(), reason="it would install here")
@pytest.mark.parametrize("command", ["install", "upgrade", "uninstall"])
def test_without_systemd_or_root_nothing_is_done(pyz: Path, command: str) -> None:
    """In one line, with what to do."""
    done = spot_agent(pyz, command)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "sudo" in done.stderr if os.getuid() else "no systemd" in done.stderr


def test_an_old_python_is_told_so(pyz: Path) -> None:
    """In a line, not by a traceback."""
    old = f"import runpy, sys; sys.version_info = (3, 8, 18); runpy.run_path({str(pyz)!r}, run_name='__main__')"
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-I", "-c", old], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("spot-agent: it needs Python 3.9 or newer, and this is ")


@needs_systemd_analyze
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    """``systemd-analyze verify`` is silent."""
    files = _write(tmp_path, unit_texts("/bin/sh", Path("/bin/true")))
    done = subprocess.run(  # noqa: S603 - our own words
        ["systemd-analyze", "verify", *files],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "spot-agent" in line]
    assert (done.returncode, ours) == (0, [])


@needs_systemd_analyze
def test_the_watcher_is_hardly_exposed(tmp_path: Path) -> None:
    """By systemd's own measure: 10 is the worst."""
    files = _write(tmp_path, unit_texts("/bin/sh", Path("/bin/true")))
    done = subprocess.run(  # noqa: S603 - our own words
        ["systemd-analyze", "security", "--offline=true", "--no-pager", files[0]],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = re.search(r"Overall exposure level for spot-agent.service: ([\d.]+)", done.stdout)
    assert found, done.stderr
    assert float(found[1]) <= MOST_EXPOSED


LINES = st.lists(
    st.sampled_from(
        ["[agent]", "[units]", "[hook preempt/save]", "queue = https://a.queue.core.windows.net/x", "# queue = no", ""]
    ),
    max_size=6,
)


@given(lines=LINES, is_ended=st.booleans())
def test_a_key_is_put_in_and_all_else_stays(lines: list[str], is_ended: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever its owner has written, as far as it is a configuration."""
    text = "\n".join(lines) + ("\n" if is_ended else "")
    if not _is_configuration(text):
        return
    put = with_keys(text, {"queue": QUEUE, "client_id": "ID"})
    found = parse_configuration(put, "agent.ini")
    assert (found.queue, found.client_id) == (QUEUE, "ID")
    kept = [line for line in put.splitlines() if line not in {f"queue = {QUEUE}", "client_id = ID", "[agent]"}]
    assert [line for line in kept if line] == [
        line for line in lines if line and not line.startswith(("queue", "[agent]"))
    ]


def test_the_first_configuration_can_be_read() -> None:
    """With a key, and with none; and with what it shows taken out of its comments."""
    assert parse_configuration(FIRST_TEXT, "agent.ini").queue == ""
    assert parse_configuration(with_keys(FIRST_TEXT, {"queue": QUEUE}), "agent.ini").queue == QUEUE
    shown = "\n".join(line[2:] if re.match(r"# (\[|\w+ = )", line) else line for line in FIRST_TEXT.splitlines())
    assert parse_configuration(shown, "agent.ini").units == ("worker.service",)


def test_check_says_how_the_service_is(pyz: Path, places: Places) -> None:
    """Not installed; not running; begun before its configuration was changed; fine."""

    def verdict(*running: str) -> tuple[Verdict, str]:
        found = service(places, running.__contains__)
        return found.verdict, found.says

    units = ("spot-agent.service", "spot-agent-helper.socket")
    assert verdict()[0] is Verdict.OPEN
    install(pyz, places)
    assert verdict(units[0]) == (Verdict.BAD, f"{units[1]} does not run: systemctl status {units[1]}")
    assert verdict(*units)[0] is Verdict.OPEN
    places.helper_state.mkdir(parents=True)
    places.kept_configuration.write_bytes(places.configuration.read_bytes())
    assert verdict(*units)[0] is Verdict.FINE
    places.configuration.write_text("[agent]\n", "utf-8")
    assert "systemctl restart" in verdict(*units)[1]


def _sources(program: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(program) as packed:
        return {name: packed.read(name) for name in packed.namelist() if name.endswith(".py")}


def _is_configuration(text: str) -> bool:
    try:
        parse_configuration(text, "agent.ini")
    except Exception:  # noqa: BLE001 - then there is nothing to put a key into
        return False
    return True


def _write(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return [folder / name for name in texts]
