"""Puts the app's libraries beside it, as they run in Azure: on Linux with the Python of ``.python-version``.

Usage: python scripts/vendor.py [FOLDER]. Without FOLDER into ``.python_packages/lib/site-packages``, where the
Functions host looks for them; what is there is replaced. Any Python with pip will do, on any system: wheels for Azure
are taken, and nothing is built. azd's prepackage hook and ``scripts/package.sh`` call it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
LIBRARIES = REPOSITORY / ".python_packages" / "lib" / "site-packages"
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_28_x86_64")
"""Azure's image has a newer C library than both ask for."""


def pip_arguments(folder: Path) -> list[str]:
    """Give what pip is asked for.

    Both files name all that is needed, so nothing is resolved: pip would go by the machine that it runs on.
    """
    version = (REPOSITORY / ".python-version").read_text(encoding="utf-8").strip()
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    files = [word for name in ("requirements.txt", "constraints.txt") for word in ("-r", str(REPOSITORY / name))]
    manner = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-compile", "--no-deps"]
    wanted = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", version, *platforms]
    return ["install", *manner, *wanted, "--target", str(folder), *files]


def main(words: list[str]) -> int:
    """Put them there; 0, or 1 with a line of what to do."""
    folder = Path(words[0]).resolve() if words else LIBRARIES
    if folder.exists():
        shutil.rmtree(folder)
    done = subprocess.run([sys.executable, "-m", "pip", *pip_arguments(folder)], check=False)  # noqa: S603 - our own words
    if done.returncode:
        sys.stderr.write(
            f"vendor: {sys.executable} could not get the libraries: it must have pip (python -m ensurepip, or your "
            "system's package python3-pip) and reach PyPI or your mirror of it\n"
        )
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
