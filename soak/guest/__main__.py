"""``python -m soak.guest`` (``make guest``): the stories of a real Linux in a VM of the laptop Azure.

Skipped, with exit code 0, on a machine that cannot run one, or cannot get Debian's packages for it. Otherwise exit code
0 if all came as it should.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import asdict, replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from localazure.demo.scenarios import TAG
from localazure.demo.timeline import Timeline
from localazure.guests.linux.disk import DiskError, NoPackagesError, image, missing
from localazure.guests.linux.shell import GuestCommandError
from localazure.laptop import REPOSITORY, laptop_azure
from localazure.runtime.processes import CommandFailedError, NotAloneError, StartError, alone
from localazure.world.durations import Durations
from soak.command_line import say, seed_or_any, write_report
from soak.guest.losses import Findings, judge, keep_busy, lose_power_at_random
from soak.guest.only_linux import STORIES, uninstall
from soak.guest.plan import rows_of_losses
from soak.guest.real_vm import BrokenError, real_vm
from soak.guest.told import told_and_restored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localazure.guests.linux.disk import Image
    from localazure.laptop import Laptop
    from soak.guest.only_linux import Story
    from soak.guest.real_vm import RealVm

FOLDER: Final = REPOSITORY / ".local" / "guest"
IMAGES: Final = REPOSITORY / ".local" / "guest-images"
_SECOND: Final = timedelta(seconds=1)
_DURATIONS: Final = Durations(
    until_unavailable=0.5 * _SECOND, deallocation=2 * _SECOND, start=2 * _SECOND, failed_start=_SECOND
)
_SHUTDOWN: Final = 60 * _SECOND
"""A guest that is stopped by its owner has time to end in order; QEMU ends when it has."""

_SETTINGS: Final = {"SWEEP_SCHEDULE": "*/30 * * * * *", "LOOK_AGAIN_SECONDS": "1", "CAPACITY_RETRY_SECONDS": "3"}
_IN_ORDER: Final = "[the guest's command has ended: exit code 0]"


async def play(image_of_guest: Image, losses: int, chance: Random) -> Findings:
    """Play all stories on one VM. Raises ``BrokenError``."""
    async with laptop_azure(FOLDER, _SETTINGS, _DURATIONS) as laptop:
        timeline = Timeline(laptop.clock.now(), tells_each_job=True)
        timeline.listen(laptop)
        follow = asyncio.create_task(timeline.follow(laptop))
        try:
            return await _stories(laptop, image_of_guest, losses, chance)
        finally:
            follow.cancel()


async def _stories(laptop: Laptop, image_of_guest: Image, losses: int, chance: Random) -> Findings:
    vm = await real_vm(laptop, image_of_guest, TAG)
    say("-- the VM boots for the first time, and its team installs agent and worker")
    say(await vm.shell.run("sh -e /opt/payload/set-up", within_s=900))
    await vm.until(lambda: bool(vm.worker_lines("started")), "the worker is up")
    say("-- the VM is told, drains, saves, loses its power, and is started by the app")
    await told_and_restored(vm)
    # From here on its owner starts it: the app would brake a VM that is evicted that often.
    laptop.world.retag(vm.guest.machine.name, {})
    found = Findings()
    await lose_power_at_random(vm, rows_of_losses(losses, chance), found)
    await judge(vm, found)
    for title, story in STORIES.items():
        say(f"-- {title}")
        await _play(vm, title, story, chance, found)
    await judge(vm, found)
    # Last of all, with no job left: there is no worker any more to end one.
    say("-- uninstall")
    await uninstall(vm)
    say("-- its owner stops it: an ACPI shutdown")
    laptop.world.durations = replace(_DURATIONS, deallocation=_SHUTDOWN)
    laptop.world.stop_by_owner(vm.guest.machine.name)
    await vm.until(lambda: vm.has_printed(_IN_ORDER), "it shuts down in order")
    found.hung_boots = vm.hung_boots
    return found


async def _play(vm: RealVm, title: str, story: Story, chance: Random, found: Findings) -> None:
    """Play one more story; one that does not come out as it should keeps none of the others from being played."""
    try:
        await keep_busy(vm)
        await story(vm, chance)
        found.stories += 1
    except (BrokenError, GuestCommandError) as error:
        found.broken.append(f"{title}: {error}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the stories; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m soak.guest", description="A real Linux loses its power.")
    parser.add_argument("--losses", type=int, default=20, help="how many (20)")
    parser.add_argument("--seed", type=int, default=None, help="of what is left to chance")
    given = parser.parse_args(arguments)
    if why := missing():
        say(f"guest: skipped, {why}")
        return 0
    seed = seed_or_any(given.seed)
    say(f"{given.losses} power losses of seed {seed}; the guest's disk is made first, if there is none: a minute")
    try:
        with alone(FOLDER):
            found = asyncio.run(play(image(IMAGES), given.losses, Random(seed)))  # noqa: S311 - no secret
    except NoPackagesError as problem:
        say(f"guest: skipped, Debian's packages cannot be had: {problem}")
        return 0
    except (BrokenError, DiskError, GuestCommandError, NotAloneError, StartError, CommandFailedError) as problem:
        sys.stderr.write(f"guest: {problem}\n")
        return 1
    for line in found.broken:
        say(f"broken: {line}")
    write_report(REPOSITORY / ".local" / "guest.json", {**asdict(found), "seed": seed})
    good = "NOT as expected" if found.broken else "All as expected"
    counts = f"jobs {found.jobs}, results {found.results}, broken {len(found.broken)}"
    stories = f"{found.stories} of {len(STORIES)} other stories, {found.hung_boots} boots at which QEMU hung"
    say(
        f"{good}: {found.losses} power losses, recovered {found.recoveries} of {found.rows} times, {counts}, {stories}."
    )
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
