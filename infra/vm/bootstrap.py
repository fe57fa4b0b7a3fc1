"""Fetches the packages that the VM's user data names, and lets the first of them install itself.

It is in the custom data of VMs, which cannot be changed while they exist: so all that may change is in the packages. It
runs at each boot and each minute, as root, and does nothing while the user data is the one that it has applied. Python
3.9 or newer, standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

METADATA = "http://169.254.169.254"
STATE = Path("/var/lib/spot-vm")
PATIENCE_S = 60


class BootstrapError(Exception):
    """What is wrong, in one line."""


def main(metadata: str, state: Path) -> int:
    """Apply the user data, unless that is done; 0, or 1 with a line of what failed."""
    try:
        text = base64.b64decode(
            _get(f"{metadata}/metadata/instance/compute/userData?api-version=2021-01-01&format=text")
        )
        applied = state / "applied"
        if applied.exists() and applied.read_bytes() == text:
            return 0
        _apply(json.loads(text), metadata, state)
        new = state / "applied.new"
        new.write_bytes(text)
        new.replace(applied)
    except (BootstrapError, OSError, EOFError, ValueError, LookupError, TypeError, tarfile.TarError) as error:
        sys.stderr.write(
            f"spot-vm: {error if isinstance(error, BootstrapError) else repr(error)}; tried again in a minute\n"
        )
        return 1
    return 0


def _apply(wanted: dict, metadata: str, state: Path) -> None:  # type: ignore[type-arg] # JSON
    folders = [_folder(one["address"], one["sha256"], metadata, state) for one in wanted["packages"]]
    installer, others = folders[0], folders[1:]
    done = subprocess.run(  # noqa: S603 - the package that the user data names
        [sys.executable, str(installer / "install.py"), "apply", *map(str, others)],
        input=json.dumps(wanted["settings"]),
        text=True,
        check=False,
    )
    if done.returncode:
        message = f"install.py ended with {done.returncode}"
        raise BootstrapError(message)
    for folder in state.glob("package-*"):
        if folder not in folders:
            shutil.rmtree(folder)


def _folder(address: str, sha256: str, metadata: str, state: Path) -> Path:
    """Give the folder of a package, unpacked; it is named by its content, so what is there is right."""
    folder = state / f"package-{sha256}"
    if folder.exists():
        return folder
    content = _get(address, _token(metadata))
    if hashlib.sha256(content).hexdigest() != sha256:
        message = f"{address} is not the package that is wanted: its SHA-256 is {hashlib.sha256(content).hexdigest()}"
        raise BootstrapError(message)
    new, file = state / "new", state / "new.tar.gz"
    state.mkdir(parents=True, exist_ok=True)
    if new.exists():
        shutil.rmtree(new)
    file.write_bytes(content)
    with tarfile.open(file) as packed:
        # The hash says that this is what was chosen; where Python knows the filter, it keeps owners out as well.
        packed.extractall(new, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # type: ignore[arg-type] # noqa: S202
    file.unlink()
    os.sync()
    new.rename(folder)
    return folder


def _token(metadata: str) -> str:
    resource = urllib.parse.quote("https://storage.azure.com/", safe="")
    # Without client_id: the VM's only identity answers.
    answer = _get(f"{metadata}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}")
    return str(json.loads(answer)["access_token"])


def _get(address: str, token: str = "") -> bytes:
    headers = {"Authorization": f"Bearer {token}", "x-ms-version": "2021-12-02"} if token else {"Metadata": "true"}
    # No proxy: the metadata service is on this machine, and the storage account in this network's reach.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(address, headers=headers), timeout=PATIENCE_S) as answer:  # noqa: S310
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        message = f"{address} answers {error.code} {error.reason}"
        raise BootstrapError(message) from error
    except OSError as error:
        message = f"{address} cannot be reached: {error}"
        raise BootstrapError(message) from error


if __name__ == "__main__":
    sys.exit(main(METADATA, STATE))
