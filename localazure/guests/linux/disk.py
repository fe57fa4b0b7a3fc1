"""The disk and the kernel of a real guest, made of Debian's packages, and kept for the next run.

Called by ``linux_vm.py``. It needs root, since the files in it belong to root. Of Python it has what a VM's image has:
neither pip nor libraries.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HERE: Final = Path(__file__).parent
ROOT: Final = _HERE / "root"
"""Files of our own that are laid over Debian's."""

SUITE: Final = "bookworm"

PROGRAMS: Final = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "mkfs.ext4": "e2fsprogs",
    "depmod": "kmod",
}
"""What is needed, and the Debian package that has it."""

_PACKAGES: Final = "systemd-sysv,udev,dbus,passwd,python3,iproute2,nftables,kmod"
_SIZE: Final = "768M"
_MODULES: Final = ("virtio_pci", "virtio_net", "evdev", "button", "nf_tables", "nft_chain_nat", "nft_nat")
"""The rest that a guest needs (NVMe, ext4, the serial port) is built into Debian's kernel for clouds."""

_LEFT_OUT: Final = ("man", "doc", "locale", "info", "zoneinfo", "i18n")
_FETCH_KERNEL: Final = (
    'cd "$1/boot" && export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" && apt-get download -qq '
    '"$(apt-cache depends linux-image-cloud-amd64 | sed -n "s/.*Depends: \\(linux-image-[0-9].*\\)/\\1/p" | head -n 1)"'
)
"""Its package is unpacked, not installed: there is no initrd, and no boot loader to write."""

_ENABLED: Final = ("guest-network.service", "guest-shell.service")
_MASKED: Final = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("e2scrub_reap.service", "systemd-networkd.service", "systemd-networkd-wait-online.service"),
    *("systemd-pstore.service", "systemd-random-seed.service", "systemd-timesyncd.service"),
    *(
        "systemd-update-utmp.service",
        "systemd-update-utmp-runlevel.service",
        "getty@tty1.service",
        "getty-static.service",
    ),
    *("dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount"),
    *("modprobe@configfs.service", "modprobe@drm.service", "modprobe@efi_pstore.service", "modprobe@fuse.service"),
    "proc-sys-fs-binfmt_misc.automount",
    # It resets the console, and lines of others are lost.
    "serial-getty@ttyS0.service",
)
"""What only costs an emulated processor time, or touches the console."""


class DiskError(Exception):
    """A disk could not be made; the message says why."""


class NoPackagesError(DiskError):
    """Debian's packages cannot be had here, or not now."""


@dataclass(frozen=True, slots=True)
class Image:
    """What a guest boots from: ``root`` is copied for each, ``kernel`` is read only."""

    root: Path
    kernel: Path


def missing() -> str:
    """Say why there can be no real guest on this machine, or ""."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"the guests are for Linux on x86_64, this is {sys.platform} on {platform.machine()}"
    packages = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    if packages:
        return f"programs are missing: apt-get install --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0:
        return "their disk can only be made by root"
    return ""


def image(cache: Path) -> Image:
    """Give the disk and the kernel; they are made where they are not there yet, or were made otherwise.

    Raises:
        NoPackagesError: Debian's packages cannot be had.
        DiskError: what was to be made of them could not be made.
    """
    folder = cache / _recipe()
    made = Image(folder / "root.ext4", folder / "vmlinuz")
    if not folder.exists():
        # What an earlier recipe, or a run that was interrupted, has left.
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(parents=True)
        with TemporaryDirectory(dir=cache) as work:
            _make(Path(work))
            (Path(work) / "made").rename(folder)
    return made


def filled(folder: Path, file: Path) -> None:
    """Make a disk of a folder's files, to be read only. Raises ``DiskError``."""
    size = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
    _make_disk(folder, file, f"{size // 1024 + 4096}K", "^has_journal")


def _recipe() -> str:
    """Name what an image is made of: another image has another name."""
    parts = [Path(__file__), *sorted(one for one in ROOT.rglob("*") if one.is_file())]
    return hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:16]


def _make(work: Path) -> None:
    root, made = work / "root", work / "made"
    made.mkdir()
    # mmdebstrap and apt read there as another user.
    work.chmod(0o755)
    try:
        _run(_bootstrap(root))
    except DiskError as error:
        raise NoPackagesError(str(error)) from error
    _unpack_kernel(root, work / "kernel", made / "vmlinuz")
    shutil.copytree(ROOT, root, dirs_exist_ok=True)
    (root / "opt/payload").mkdir()
    for word, units in (("enable", _ENABLED), ("mask", _MASKED)):
        _run(("systemctl", "--quiet", word, *units), inside=root)
    _make_disk(root, made / "root.ext4", _SIZE)


def _bootstrap(root: Path) -> Sequence[str]:
    options = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
    options += ["--dpkgopt=path-exclude=/usr/lib/udev/hwdb.d/*", '--aptopt=APT::Install-Recommends "false"']
    form = ("--mode=root", "--variant=essential", "--format=directory", f"--include={_PACKAGES}")
    # What it mounts for a while is seen by nobody else, and cannot be left behind.
    return (
        "unshare",
        "--mount",
        "mmdebstrap",
        "--quiet",
        *form,
        *options,
        f"--customize-hook={_FETCH_KERNEL}",
        SUITE,
        str(root),
    )


def _unpack_kernel(root: Path, unpacked: Path, kernel: Path) -> None:
    """Take out of the kernel's package the kernel, and the few modules that a guest needs."""
    (package,) = (root / "boot").glob("linux-image-*.deb")
    _run(("dpkg-deb", "-x", str(package), str(unpacked)))
    package.unlink()
    (found,) = (unpacked / "boot").glob("vmlinuz-*")
    version = found.name.removeprefix("vmlinuz-")
    shutil.copy(found, kernel)
    _run(("depmod", "-b", str(unpacked), version))
    modules = Path("lib/modules") / version
    wanted = {f"modules.{name}" for name in ("order", "builtin", "builtin.modinfo")}
    for name in wanted:
        _copy(unpacked, root, modules / name)
    for file in set(_files_of_modules(unpacked, version)):
        _copy(unpacked, root, file.relative_to(unpacked))
    _run(("depmod", "-b", str(root), version))


def _files_of_modules(unpacked: Path, version: str) -> Iterator[Path]:
    """Give the files of the modules, and of those that they need."""
    for module in _MODULES:
        shown = _run(("modprobe", "-d", str(unpacked), "-S", version, "--show-depends", module))
        yield from (Path(line.split()[1]) for line in shown.splitlines() if line.startswith("insmod"))


def _copy(source: Path, target: Path, file: Path) -> None:
    (target / file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / file, target / file)


def _make_disk(folder: Path, file: Path, size: str, features: str = "has_journal") -> None:
    options = ("-q", "-F", "-m", "0", "-O", features, "-E", "lazy_itable_init=1,lazy_journal_init=1", "-d", str(folder))
    _run(("mkfs.ext4", *options, str(file), size))


def _run(command: Sequence[str], inside: Path | None = None) -> str:
    """Run a command, in the tree ``inside`` if one is given; give what it printed."""
    words = command if inside is None else ("chroot", str(inside), *command)
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode != 0:
        said = " / ".join(done.stderr.strip().splitlines()[-3:])
        message = f"`{' '.join(words[:2])} …` ended with {done.returncode}: {said or 'it said nothing'}"
        raise DiskError(message)
    return done.stdout
