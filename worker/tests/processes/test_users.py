"""Agent and worker as systemd runs them: each as a user of its own, neither of them root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from spot_agent.installed.places import WATCHER
from spot_agent.installed.unit_texts import unit_texts

from workbench.real_worker import NO_METADATA_SERVICE, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be other users")

AGENT_USER: Final = 61001
WORKER_USER: Final = 61002
# Where Python itself is root's alone, nothing can be imported afterwards.
AS_USER: Final = (
    "import encodings.ascii, encodings.idna, os, sys; os.setgroups([]); os.setgid({user}); os.setuid({user})\n"
)
AGENT: Final = """
import sys
from pathlib import Path
import spot_agent.__main__
{as_user}
sys.exit(spot_agent.__main__.main(sys.argv[1:]))
"""
WORKER: Final = """
import asyncio, sys
from pathlib import Path
from spot_worker.edges.notices import VmNotices
{as_user}
async def look():
    notices = VmNotices(sys.argv[1], Path(sys.argv[2]), lambda event, said: print(event, said, flush=True))
    await notices.begin()
    await notices.pending()
asyncio.run(look())
"""


def _of_the_unit(key: str) -> int:
    [value] = [line.partition("=")[2] for line in _unit().splitlines() if line.startswith(f"{key}=")]
    return int(value, 8)


def _unit() -> str:
    return unit_texts("python3", Path("spot-agent"))[WATCHER]


@pytest.fixture
def state() -> Iterator[Path]:
    """Give the agent's folder as systemd makes it: the user and the mode of the unit."""
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to other users
    folder.chmod(0o755)
    found = folder / "spot-agent"
    found.mkdir()
    found.chmod(_of_the_unit("StateDirectoryMode"))
    os.chown(found, AGENT_USER, AGENT_USER)
    yield found
    shutil.rmtree(folder)


@pytest.fixture
def agent(state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run an agent there, with the unit's umask."""
    words = ("run", "--state", str(state), "--hooks", str(state / "none"), "--imds", NO_METADATA_SERVICE)
    process = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", AGENT.format(as_user=AS_USER.format(user=AGENT_USER)), *words],
        env=_environment(),
        stdout=subprocess.DEVNULL,
        umask=_of_the_unit("UMask"),
    )
    until(lambda: (state / "alive.json").exists() and (state / "state.json").exists())
    yield process
    process.kill()
    process.wait()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _worker_says(state: Path) -> list[str]:
    code = WORKER.format(as_user=AS_USER.format(user=WORKER_USER))
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", code, NO_METADATA_SERVICE, str(state)],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.usefixtures("agent")
def test_a_worker_hears_from_the_agent_though_it_is_another_user(state: Path) -> None:
    assert _worker_says(state) == ["notices heard from the agent"]


@pytest.mark.usefixtures("agent")
def test_what_is_not_for_workers_stays_the_agents(state: Path) -> None:
    readable = {path.name for path in state.iterdir() if path.stat().st_mode & 0o004}
    assert readable == {"state.json", "alive.json"}


@pytest.mark.usefixtures("agent")
def test_a_worker_that_may_not_look_says_so_once_and_asks_by_itself(state: Path) -> None:
    state.chmod(0o700)  # as an agent of before left it
    [said] = [line for line in _worker_says(state) if line.startswith("notices ")]
    assert said == (
        "notices asked of the metadata service, since what the agent knows cannot be read: [Errno 13] Permission "
        f"denied: '{state}/state.json'. Upgrade the agent and restart it, or let this user read {state}"
    )
