"""The watcher's account and group, made and removed: each may have been cut off amid it, and is completed."""

from __future__ import annotations

import grp
import pwd
from typing import TYPE_CHECKING, Final

from spot_agent.installed import system
from spot_agent.installed.places import USER

if TYPE_CHECKING:
    from pathlib import Path

MADE_BY_US: Final = "Spot agent, made by spot-agent install"
"""In the account's comment, so that ``uninstall`` removes only an account that ``install`` made."""
_NOBODY_LOGS_IN: Final = ("--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin")


def find_user() -> pwd.struct_passwd | None:
    """Give the watcher's account, if there is one."""
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        return None


def _find_group() -> grp.struct_group | None:
    try:
        return grp.getgrnam(USER)
    except KeyError:
        return None


def make_account(group_is_ours: Path) -> None:
    """Make what is not there of the watcher's account and group. A group that is there may be its owner's: it is used.

    The group by itself and first: `useradd --user-group` leaves an account without a group, or a group that keeps it
    from being called again, where it is killed amid its work.
    """
    user = find_user()
    if _find_group() is None:
        system.write_file(group_is_ours, b"", 0o600)
        same = ("--gid", str(user.pw_gid)) if user and not _is_group(user.pw_gid) else ()
        system.command("groupadd", "--system", *same, USER)
    if user is None:
        system.command("useradd", "--system", "--gid", USER, *_NOBODY_LOGS_IN, "--comment", MADE_BY_US, USER)


def remove_account(group_is_ours: Path) -> list[str]:
    """Remove account and group, if ``install`` made them; say which."""
    removed = []
    user = find_user()
    if user and user.pw_gecos == MADE_BY_US:
        system.command("userdel", USER)
        removed.append(f"user {USER}")
    if group_is_ours.exists() and _find_group():  # userdel may have removed it
        system.command("groupdel", USER)
        removed.append(f"group {USER}")
    return removed


def _is_group(number: int) -> bool:
    try:
        grp.getgrgid(number)
    except KeyError:
        return False
    return True
