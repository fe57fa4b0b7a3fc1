"""The account and the group of the installed agent, with the system's own useradd and userdel.

In a mount namespace of its own, with a copy of ``/etc``: the machine of the tests gets no account.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from build_pyz import build

_WORDS: Final = ("unshare", "--mount", "--propagation", "private", "bash", "-euc")
_HERE: Final = """
mkdir -p {scratch}/etc {scratch}/local {scratch}/lib {scratch}/bin
cp -a /etc/. {scratch}/etc/
for place in etc:/etc local:/usr/local lib:/var/lib; do mount --bind {scratch}/${{place%%:*}} ${{place##*:}}; done
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
printf '#!/bin/sh\\nexit 0\\n' > {scratch}/bin/systemctl
chmod 755 {scratch}/bin/systemctl
export PATH={scratch}/bin:/usr/sbin:/usr/bin:/sbin:/bin
agent() {{ /usr/bin/python3 {pyz} "$@"; }}
accounts() {{ sed -n 's/^spot-agent:.*/spot-agent/p' /etc/passwd /etc/group; }}
"""


def _can() -> bool:
    if os.getuid() or shutil.which("unshare") is None or shutil.which("useradd") is None:
        return False
    tried = subprocess.run(  # noqa: S603 - our own words
        [*_WORDS, "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False, timeout=30
    )
    return tried.returncode == 0 and Path("/usr/bin/python3").exists()


pytestmark = pytest.mark.skipif(not _can(), reason="it takes root, useradd, and a mount namespace")


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the agent in one file."""
    target = tmp_path_factory.mktemp("dist") / "spot-agent.pyz"
    build(target)
    return target


def _play(pyz: Path, scratch: Path, script: str) -> list[str]:
    """Play it on a system of its own; give what it prints."""
    done = subprocess.run(  # noqa: S603 - our own words
        [*_WORDS, _HERE.format(scratch=scratch, pyz=pyz) + script],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("groups", ["yes", "no"])
def test_account_and_group_are_made_and_go_again(pyz: Path, tmp_path: Path, groups: str) -> None:
    """Also where the system's settings let userdel leave the groups of accounts."""
    said = _play(
        pyz,
        tmp_path,
        f"sed -i '/^USERGROUPS_ENAB/d' /etc/login.defs; echo 'USERGROUPS_ENAB {groups}' >> /etc/login.defs\n"
        "agent install > /dev/null; accounts; agent uninstall; accounts; ls -A /var/lib /usr/local/bin",
    )
    assert said[:2] == ["spot-agent", "spot-agent"]
    assert "user spot-agent" in said[2]
    assert [line for line in said[3:] if line and not line.endswith(":")] == []


def test_what_a_killed_installation_made_of_them_is_completed_and_goes_again(pyz: Path, tmp_path: Path) -> None:
    """The group without an account; the account without its group, as a useradd that was killed leaves it."""
    said = _play(
        pyz,
        tmp_path,
        "left() { userdel spot-agent; getent group spot-agent > /dev/null || groupadd --system spot-agent; }\n"
        "agent install > /dev/null; left\n"
        "agent install > /dev/null; echo completed; accounts; id -gn spot-agent\n"
        "sed -i /^spot-agent:/d /etc/group /etc/gshadow\n"
        "agent install > /dev/null; echo completed; accounts; id -gn spot-agent\n"
        "left; agent uninstall > /dev/null; echo removed; accounts",
    )
    both = ["completed", "spot-agent", "spot-agent", "spot-agent"]
    assert said == [*both, *both, "removed"]


def test_an_account_and_a_group_of_the_owner_stay(pyz: Path, tmp_path: Path) -> None:
    """As they made them before."""
    said = _play(
        pyz,
        tmp_path,
        "groupadd --system spot-agent; useradd --system --gid spot-agent spot-agent\n"
        "agent install > /dev/null; agent uninstall > /dev/null; accounts",
    )
    assert said == ["spot-agent", "spot-agent"]


def test_an_installation_that_could_not_make_the_account_is_removed_by_its_program(pyz: Path, tmp_path: Path) -> None:
    """The program is there before the account: so that it can be called to remove what there is."""
    said = _play(
        pyz,
        tmp_path,
        f"printf '#!/bin/sh\\nexit 1\\n' > {tmp_path}/bin/useradd; chmod 755 {tmp_path}/bin/useradd\n"
        "agent install 2>&1 && exit 1\n"
        "/usr/local/bin/spot-agent uninstall > /dev/null; accounts; ls -A /usr/local/bin /var/lib",
    )
    assert said[0].startswith("spot-agent: useradd --system ")
    assert [line for line in said[1:] if line and not line.endswith(":")] == []
