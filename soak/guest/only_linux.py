"""Stories that only a real Linux has: units of systemd, upgrade, a full disk, a clock that stood still, the watchdog.

Each begins with the VM at work, and leaves it so, but for the last. Played by ``__main__.py``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from localazure.guests.linux.monitor import tell_qemu
from localazure.guests.notices import CALLED_OFF
from soak.guest.real_vm import NAME, QUEUE, check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from random import Random

    from soak.guest.real_vm import RealVm

    type Story = Callable[[RealVm, Random], Awaitable[None]]

_INSTALL: Final = "python3 /opt/spot-vm/install.py install --queue $(cat /opt/payload/queue)"
_MAKE_NEWER: Final = """python3 -c 'import zipfile
with zipfile.ZipFile("/opt/spot-vm/spot-agent.pyz", "a") as agent:
    agent.comment += b"newer"'"""
"""Makes the package's agent another one, that does the same: the installer leaves alone the agent that is there."""

_SAVED: Final = "counter: saved "
_WORKER: Final = f"spot-worker@{QUEUE}"
_LONGER_THAN_AN_UPGRADE_S: Final = 6.0
_STOOD_STILL_S: Final = 70.0
_NOTICE_S: Final = 30
_NEARLY_NOTHING_KB: Final = 20_000
_OF_WATCHDOG_S: Final = 150.0
"""``WatchdogSec`` of the agent's unit, and as long again for a slow machine."""


async def plain_unit(vm: RealVm, _chance: Random) -> None:
    """Let a unit that knows nothing of evictions save itself at the notice, and go on when the agent says so."""
    await vm.shell.run("systemctl is-active --quiet counter")
    printed = await _drains(vm, "a unit of the team's")
    await vm.switch_on()
    await _goes_on(vm, _saved(printed), "hook recover/resume: ok")
    await vm.until_at_work()
    vm.printed.clear()
    vm.laptop.announcements.evict(NAME, CALLED_OFF)
    await vm.until(lambda: vm.has_printed("cancelled: ok"), "the agent hears that the eviction is called off")
    await _goes_on(vm, _saved(vm.printed), "cancelled: ok")
    await vm.until_healthy()


async def upgrade(vm: RealVm, chance: Random) -> None:
    """Upgrade the agent while a job runs, which notices nothing; then lose the power amid another upgrade."""
    worker, agent = await _main_process(vm, _WORKER), await _main_process(vm, "spot-agent")
    await vm.shell.run(f"{_MAKE_NEWER}; {_INSTALL}", within_s=200)
    check(await _main_process(vm, "spot-agent") != agent, "a newer agent is installed")
    check(await _main_process(vm, _WORKER) == worker, "the worker runs on through an upgrade")
    await vm.shell.run(f"{_MAKE_NEWER}; sync; nohup {_INSTALL} >/dev/null 2>&1 &")
    await asyncio.sleep(chance.uniform(0, _LONGER_THAN_AN_UPGRADE_S))
    await vm.lose_power(None)
    await vm.switch_on()
    await vm.until_at_work()
    await vm.shell.run(_INSTALL, within_s=200)
    await vm.until_healthy()


async def full_disk(vm: RealVm, _chance: Random) -> None:
    """Evict it with no space left: it drains all the same, and works when there is space again."""
    await vm.shell.run("head -c 4G /dev/zero > /full 2>/dev/null; ! echo more >> /full 2>/dev/null")
    await _drains(vm, "a full disk")
    await vm.switch_on()
    # journald gives a little back when it begins.
    left_kb = int(await vm.shell.run("test -s /full && df --output=avail / | tail -n 1"))
    check(left_kb < _NEARLY_NOTHING_KB, f"the disk is full, but {left_kb} kB are left")
    await vm.until(lambda: vm.has_printed("recover: ok"), "`recover` is complete on a full disk")
    await vm.shell.run("rm /full; sync")
    await vm.until_at_work()


async def clock_that_stood_still(vm: RealVm, _chance: Random) -> None:
    """Freeze the VM, so that its clock is behind: a notice is acted upon all the same, before the power is lost."""
    await tell_qemu(vm.guest.disk, "stop")
    await asyncio.sleep(_STOOD_STILL_S)
    await tell_qemu(vm.guest.disk, "cont")
    behind_s = vm.laptop.clock.now().timestamp() - float(await vm.shell.run("date +%s.%N"))
    check(behind_s > _STOOD_STILL_S / 2, f"the guest's clock is behind, but only {behind_s:.0f} s")
    await _drains(vm, f"a clock that is {behind_s:.0f} s behind")
    await vm.switch_on()
    await vm.until_at_work()


async def watchdog(vm: RealVm, _chance: Random) -> None:
    """Let the agent stand still: systemd begins it again, and the work runs on meanwhile."""
    worker = await _main_process(vm, _WORKER)
    await vm.shell.run("kill -STOP $(systemctl show --property=MainPID --value spot-agent)")
    vm.printed.clear()
    # Its first word of a run is said when it is ready to listen.
    await vm.shell.run(
        'until [ "$(systemctl show --property=NRestarts --value spot-agent)" -ge 1 ]; do sleep 1; done', _OF_WATCHDOG_S
    )
    await vm.until_healthy()
    check(await _main_process(vm, _WORKER) == worker, "the worker runs on while the agent stands still")


async def uninstall(vm: RealVm) -> None:
    """Remove all: no file, no unit, no user is left. Hooks and drop-ins are the team's, who removes them first."""
    await vm.shell.run("rm -r /etc/spot-agent/hooks/*/* /etc/systemd/system/spot-worker@.service.d")
    await vm.shell.run("python3 /usr/local/lib/spot-vm/install.py remove", within_s=200)
    kept = "-path /opt/spot-vm -prune -o -path /var/log -prune -o"
    left = await vm.shell.run(
        f"find / -xdev {kept} \\( -name '*spot-agent*' -o -name '*spot-worker*' -o -name '*spot-vm*' \\) -print; "
        "getent passwd spot-agent; getent group spot-agent; "
        "systemctl list-units --all --no-legend --plain 'spot-*'; "
        "systemctl list-unit-files --no-legend --plain 'spot-*'; true"
    )
    check(not left.strip(), f"something is left of agent and worker: {left.split()}")


STORIES: Final[Mapping[str, Story]] = {
    "a unit that knows nothing of evictions": plain_unit,
    "an upgrade while a job runs, and a power loss amid another": upgrade,
    "a full disk": full_disk,
    "a clock that stood still": clock_that_stood_still,
    "the watchdog": watchdog,
}


async def _drains(vm: RealVm, with_what: str) -> Sequence[str]:
    """Evict it with notice, and hold what it printed before it went against what it has to do; give that."""
    vm.printed.clear()
    await vm.lose_power(_NOTICE_S)
    printed = list(vm.printed)
    for words in ("hook preempt/save: ok", "stop-units: ok"):
        check(any(words in line for line in printed), f"with {with_what}, it says {words!r} before it goes: {printed}")
    return printed


def _saved(printed: Sequence[str]) -> str:
    """Give how far the counter was when it saved itself."""
    saved = [line.removeprefix(_SAVED) for line in printed if line.startswith(_SAVED)]
    check(len(saved) == 1, f"the unit saves itself once, when it is stopped: {printed}")
    return saved[0]


async def _goes_on(vm: RealVm, count: str, after: str) -> None:
    """Wait until the counter goes on where it was saved, but not before the agent has said so."""
    words = f"counter: begins at {count}"
    await vm.until(lambda: words in vm.printed, f"the unit goes on at {count}")
    before = vm.printed[: vm.printed.index(words)]
    check(any(after in line for line in before), f"it says {after!r} before the unit goes on: {before}")


async def _main_process(vm: RealVm, unit: str) -> str:
    return (await vm.shell.run(f"systemctl show --property=MainPID --value {unit}")).strip()
