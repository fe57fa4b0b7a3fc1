"""A scenario of the demo with a guest: the agent, and a workload that saves its work and goes on with it.

Played by ``demo.py`` beside ``scenarios.py``; ``run.py`` puts the same guest into a VM of `make run`.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from localazure.demo.scenarios import TAG, End, Player, Scenario
from localazure.guests.guest import Command
from localazure.guests.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from localazure.demo.scenarios import Tell
    from localazure.guests.guest import Place
    from localazure.laptop import Laptop

NAME: Final = "sim-1"
SAVED: Final = "saved"
RESUMED: Final = "resumed"
"""Files on the VM's disk that the hooks leave: the work was saved before the eviction, and went on after it."""

_NOTICE: Final = Notice(timedelta(seconds=8))
_PATIENCE: Final = timedelta(seconds=30)
_WORKS_FOR_S: Final = 3
_LOOK_S: Final = 0.1
_HOOKS: Final = {
    "preempt/save": f"""\
#!/bin/sh
date -u > {SAVED}
echo "work saved, $SPOT_AGENT_SECONDS_LEFT s before the end"
""",
    "recover/resume": f"""\
#!/bin/sh
cp {SAVED} {RESUMED} || exit 1
echo "work goes on where it was saved"
""",
}


def agent_command(place: Place) -> Command:
    """Give the command of a VM with the agent in it, and lay its hooks onto the VM's disk."""
    _write_hooks(_hooks(place), place.disk)
    return agent_without_hooks(place)


def agent_without_hooks(place: Place) -> Command:
    """Give the agent's command. Its state is in ``agent_state``, where other programs of the VM may read it."""
    folders = ("--state", str(agent_state(place)), "--hooks", str(_hooks(place)))
    arguments = ("--imds", place.imds, *folders, "--health-port", "0", "--queue", place.queue)
    return Command((sys.executable, "-m", "spot_agent", "run", *arguments))


def agent_state(place: Place) -> Path:
    """Say where on a VM's disk its agent keeps its state."""
    return place.disk / "state"


def agent_scenario(number: int, command: Callable[[Place], Command] = agent_command) -> Scenario:
    """Make the scenario. ``command`` is what runs in the VM."""

    async def told_in_advance(laptop: Laptop, _tell: Tell) -> None:
        laptop.world.add_vm(NAME, size="Standard_D2as_v5", tags=TAG)
        guest = await laptop.guests.install(NAME, command)
        # Azure announces nothing to a VM that never asked. Where this one never does, it is evicted all the same.
        end = laptop.clock.now() + _PATIENCE
        while guest.metadata.events_read_at is None and laptop.clock.now() < end:  # noqa: ASYNC110 - seen by looking
            await asyncio.sleep(_LOOK_S)
        # It is evicted in the middle of its work, not while its agent gets its first token.
        await asyncio.sleep(_WORKS_FOR_S)
        laptop.announcements.evict(NAME, _NOTICE)

    title = "told in advance: saved, evicted, back, and its work goes on"
    return Scenario(number, title, (Player(NAME, End.RESTORED, 1, leaves=RESUMED),), told_in_advance)


def _hooks(place: Place) -> Path:
    return place.disk / "hooks"


def _write_hooks(folder: Path, disk: Path) -> None:
    for name, script in _HOOKS.items():
        hook = folder / name
        hook.parent.mkdir(parents=True, exist_ok=True)
        # Hooks run wherever the agent likes; the work is on the disk.
        hook.write_text(script.replace("#!/bin/sh\n", f"#!/bin/sh\ncd '{disk}' || exit 1\n"), encoding="utf-8")
        hook.chmod(0o755)
