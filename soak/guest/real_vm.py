"""A VM of the laptop Azure with a real Linux in it, and what a story may do to it and see of it."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localazure.demo.jobs import hash_chain
from localazure.demo.jobs.as_team import spot_worker
from localazure.demo.jobs.work_log import read_line
from localazure.guests.linux.linux_vm import linux_vm
from localazure.guests.linux.qemu import seen_from_inside
from localazure.guests.linux.shell import Shell
from localazure.guests.notices import Notice
from localazure.laptop import REPOSITORY
from localazure.world.machines import PowerState
from localazure.world.world import OWNER
from soak.command_line import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from localazure.demo.jobs.work_log import Line
    from localazure.guests.guest import Guest, Place
    from localazure.guests.linux.disk import Image
    from localazure.laptop import Laptop

NAME: Final = "real-1"
QUEUE: Final = "chains"
RESULTS: Final = "chainsresults"
_PAYLOAD: Final = Path(__file__).with_name("payload")
_PACKAGE: Final = REPOSITORY / "dist" / "spot-vm.tar.gz"
_DROP_IN: Final = REPOSITORY / "agent" / "recipes" / "systemd" / "spot.conf"
_LOOK_S: Final = 0.1
PATIENCE_S: Final = 240.0
"""An emulated processor beside other work is slow; what does not come within this does not come."""

_SPEAKS_WITHIN_S: Final = 90.0
_MOST_HUNG_BOOTS: Final = 2


class BrokenError(Exception):
    """What was to be shown did not hold; the message says what."""


def check(holds: bool, what: str) -> None:  # noqa: FBT001 - what is checked
    """Raise ``BrokenError`` if it does not hold."""
    if not holds:
        raise BrokenError(what)


@dataclass(slots=True)
class RealVm:
    """The VM. ``printed``: the lines of its console since it was switched on last."""

    laptop: Laptop
    guest: Guest
    shell: Shell
    printed: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    """The jobs that a worker said it finished, as often as it said so."""
    submitted: dict[int, int] = field(default_factory=dict)
    """The number of each job, and how many links its chain is to have."""
    hung_boots: int = 0

    def hear(self, name: str, line: str) -> None:
        """Note a line of the console."""
        if name == NAME:
            self.printed.append(line)
            said = read_line(0, name, line)
            if said is not None and said.event == "finished":
                self.finished.append(said.job)

    def worker_lines(self, event: str) -> list[Line]:
        """Give what the worker logged of one kind since the VM was switched on."""
        lines = (read_line(0, NAME, line) for line in self.printed)
        return [line for line in lines if line is not None and line.event == event]

    def has_printed(self, words: str) -> bool:
        """Whether the console has shown these words since the VM was switched on."""
        return any(words in line for line in self.printed)

    async def until(self, holds: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
        """Wait until something holds. Raises ``BrokenError``."""
        try:
            async with asyncio.timeout(within_s):
                while not holds():  # noqa: ASYNC110 - seen by looking
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            message = f"{what}: waited for {within_s:.0f} s in vain"
            raise BrokenError(message) from None

    async def lose_power(self, notice_s: int | None) -> None:
        """Let Azure evict it, and wait until it is off."""
        notice = None if notice_s is None else Notice(timedelta(seconds=notice_s))
        self.laptop.announcements.evict(NAME, notice)
        await self.until_off()

    async def until_off(self) -> None:
        """Wait until the VM is deallocated, and QEMU has ended."""
        machine = self.guest.machine
        await self.until(
            lambda: not self.guest.has_power and machine.power_state is PowerState.DEALLOCATED, "it is off"
        )

    async def switch_on(self) -> None:
        """Let its owner start it, and wait until it has power."""
        self.printed.clear()
        self.laptop.world.start(self.guest.machine, OWNER)
        await self.until(lambda: self.guest.has_power, "it has power")

    async def until_at_work(self) -> None:
        """Wait until the agent has recovered, its probe says that the VM takes work, and a worker waits or works."""
        await self._until_linux_speaks()
        await self.until(lambda: self.has_printed("recover: ok"), "`recover` is complete")
        await self.until(lambda: bool(self.worker_lines("started")), "the worker is up")
        await self.until_healthy()

    async def _until_linux_speaks(self) -> None:
        """Wait for the first line of the console. An emulated machine may wait for its disk for ever before it.

        Then its power is switched off and on once more: that is QEMU's fault, and it is counted (``hung_boots``).
        """
        for _ in range(_MOST_HUNG_BOOTS):
            with suppress(BrokenError):
                return await self.until(lambda: bool(self.printed), "Linux says something", _SPEAKS_WITHIN_S)
            self.hung_boots += 1
            say(f"-- QEMU hangs: no line within {_SPEAKS_WITHIN_S:.0f} s after the power came; off and on again")
            await self.lose_power(None)
            await self.switch_on()
        return await self.until(lambda: bool(self.printed), "Linux says something", _SPEAKS_WITHIN_S)

    async def until_healthy(self) -> None:
        """Wait until the agent's probe says that the VM takes work."""
        await self.shell.run(_UNTIL_HEALTHY, PATIENCE_S)

    async def failed_units(self) -> list[str]:
        """Give the units that systemd has down as failed."""
        lines = (await self.shell.run("systemctl --failed --no-legend --plain")).splitlines()
        return [line.split()[0] for line in lines]

    async def submit(self, jobs: int, links: int) -> None:
        """Put so many jobs onto the queue, each of a chain of so many links."""
        first = len(self.submitted) + 1
        numbers = range(first, first + jobs)
        bodies = "".join(f"{json.dumps({'number': number, 'links': links})}\n" for number in numbers)
        await spot_worker(self.laptop.work, ("submit", "--queue", QUEUE, "-"), bodies)
        self.submitted |= dict.fromkeys(numbers, links)

    async def results(self) -> list[dict[str, Any]]:
        """Give the rows of the results table."""
        rows: list[dict[str, Any]] = json.loads(
            await spot_worker(self.laptop.work, ("results", "--results", RESULTS, "--json"))
        )
        return rows

    async def until_all_done(self, within_s: float) -> list[dict[str, Any]]:
        """Wait until there are as many results as jobs, or the time is up; give the results."""
        rows: list[dict[str, Any]] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while len(rows := await self.results()) < len(self.submitted):  # noqa: ASYNC110 - seen by looking
                    await asyncio.sleep(1)
        return rows

    def is_right(self, row: dict[str, Any]) -> bool:
        """Whether a result is that of its job: each link of the chain was made once."""
        result = row["result"]
        links = self.submitted.get(result["number"])
        return links is not None and result["last"] == hash_chain.last_link(result["number"], links)


_UNTIL_HEALTHY: Final = (
    "until python3 -c 'import urllib.request as r; r.urlopen(\"http://127.0.0.1:8099/health\")' 2>/dev/null; "
    "do sleep 1; done"
)


async def real_vm(laptop: Laptop, image: Image, tags: dict[str, str]) -> RealVm:
    """Make the VM, and let it boot for the first time."""
    laptop.world.add_vm(NAME, size="Standard_D2as_v5", tags=tags)

    def fill(place: Place, folder: Path) -> None:
        _fill(place, folder, laptop.guests.surroundings.authority)

    guest = await laptop.guests.install(NAME, linux_vm(image, fill))
    vm = RealVm(laptop, guest, Shell(guest.disk))
    laptop.guests.listen(vm.hear)
    return vm


def _fill(place: Place, folder: Path, authority: Path | None) -> None:
    """Put into the payload what a team brings to its VM; see ``payload/set-up``."""
    shutil.copytree(_PAYLOAD, folder, dirs_exist_ok=True)
    for file in (_PACKAGE, _DROP_IN):
        shutil.copy(file, folder)
    (folder / "work").mkdir()
    shutil.copy(hash_chain.__file__, folder / "work")
    if authority is not None:
        shutil.copy(authority, folder / "authority.pem")
    queue = seen_from_inside(place.queue)
    (folder / "queue").write_text(queue, encoding="utf-8")
    settings = {
        "queue": QUEUE,
        "function": "hash_chain:work",
        "account": "laptop",
        "options": f"--results {RESULTS} --slots 1 --visibility 20 --checkpoint-interval 1",
        "agentsQueue": queue,
    }
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    environment = {
        "AZURE_STORAGE_CONNECTION_STRING": seen_from_inside(place.work),
        # Azure's libraries have a list of their own of authorities to trust.
        "REQUESTS_CA_BUNDLE": "/usr/lib/ssl/cert.pem",
    }
    text = "".join(f'{name}="{value}"\n' for name, value in environment.items())
    (folder / "laptop.env").write_text(text, encoding="utf-8")
