"""Fetches the packages that the VM's user data names, and lets the first of them install itself.

It is in the custom data of VMs, which cannot be changed while they exist: so all that may change is in the packages. It
runs at each boot and each minute, as root, and does nothing while the user data is the one that it has applied. Python
3.9 or newer, standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
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
    except (BootstrapError, OSError) as error:
        return _failed(str(error))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return _failed(f"the VM's user data cannot be read, deploy the workload again: {error!r}")
    return 0


def _failed(why: str) -> int:
    sys.stderr.write(f"spot-vm: {' '.join(why.split())}; tried again in a minute\n")
    return 1


def _apply(wanted: dict, metadata: str, state: Path) -> None:  # type: ignore[type-arg] # JSON
    folders = [_folder(one["address"], one["sha256"], metadata, state) for one in wanted["packages"]]
    installer, others = folders[0], folders[1:]
    # From now on the VM is neither what it was nor what it is to be: what was applied must count no more, also if that
    # is wanted again.
    (state / "applied").unlink(missing_ok=True)
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
            # By its name it is known to be whole: so that is taken from it first.
            _remove(state / "old")
            folder.rename(state / "old")
    (state / "new.tar.gz").unlink(missing_ok=True)  # it and `new` are of one that was killed
    for name in ("new", "old"):
        _remove(state / name)


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
    _remove(new)
    try:
        file.write_bytes(content)
        new.mkdir()
        with tarfile.open(file) as packed:
            # The hash says that this is what was chosen; where Python knows the filter, it keeps owners out as well.
            packed.extractall(new, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # type: ignore[arg-type] # noqa: S202
    except Exception as error:
        # Whatever a damaged archive makes of the many who read it; or the disk is full.
        _remove(new)
        message = f"{address} cannot be unpacked into {state}: {error}"
        raise BootstrapError(message) from error
    finally:
        file.unlink(missing_ok=True)
    os.sync()
    new.rename(folder)
    return folder


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


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
    except (OSError, http.client.HTTPException) as error:
        message = f"{address} cannot be reached: {error}"
        raise BootstrapError(message) from error


if __name__ == "__main__":
    sys.exit(main(METADATA, STATE))
