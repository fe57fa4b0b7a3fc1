"""Where on the VM everything is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

UNIT: Final = "spot-worker@.service"
AGENT: Final = "spot-agent.pyz"
OURS: Final = "spot_vm"
"""The folder of these modules, beside ``install.py``."""


@dataclass(frozen=True)
class Places:
    """Files and folders, below ``root``: ``/`` but in tests."""

    root: Path = Path("/")

    @property
    def home(self) -> Path:
        """The folder that the unit works in. The VM's owner may have files of his own there."""
        return self.root / "opt/spot-worker"

    @property
    def environment(self) -> Path:
        """The virtual environment that the unit starts: a link, which is moved in one step."""
        return self.home / ".venv"

    @property
    def work(self) -> Path:
        """The work package that is in use: a link, too."""
        return self.home / "work"

    @property
    def settings(self) -> Path:
        """The folder of the files that the unit reads: of ``apply``, and of the VM's owner."""
        return self.root / "etc/spot-worker"

    @property
    def of_workers(self) -> tuple[Path, ...]:
        """Where systemd keeps the folders of the workers, state and cache: links, and what they lead to."""
        return tuple(
            self.root / "var" / kind / name
            for kind in ("lib", "cache")
            for name in ("spot-worker", "private/spot-worker")
        )

    @property
    def units(self) -> Path:
        """The units of this VM."""
        return self.root / "etc/systemd/system"

    @property
    def unit(self) -> Path:
        """The template unit."""
        return self.units / UNIT

    @property
    def quiet(self) -> Path:
        """What keeps the unit that looks for packages each minute from saying so each minute."""
        return self.units / "spot-vm.service.d/quiet.conf"

    @property
    def lock(self) -> Path:
        """What the installer holds while it is at work; only root may open it."""
        return self.root / "run/spot-vm.lock"

    @property
    def pip_conf(self) -> Path:
        """Where the VM's owner tells pip of an index or a proxy."""
        return self.root / "etc/pip.conf"

    @property
    def installer(self) -> Path:
        """A copy of ``install.py``, for when the package is gone: VM applications call it to remove all."""
        return self.root / "usr/local/lib/spot-vm/install.py"

    @property
    def installed_agent(self) -> Path:
        """The note of which agent was installed last, and what it was told."""
        return self.installer.with_name("agent")

    @property
    def agent(self) -> Path:
        """Where the agent's own ``install`` puts it."""
        return self.root / "usr/local/bin/spot-agent"

    def started(self, queue: str) -> Path:
        """Give the note of what a worker was started with last, as far as that is certain: only ``apply`` writes it."""
        return self.home / f"started-{queue}.json"
