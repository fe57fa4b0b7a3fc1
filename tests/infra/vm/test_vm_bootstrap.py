"""How a VM comes to what its user data names: it is fetched by its identity, checked, and applied once."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import bootstrap
import pytest

from tests.infra.compiler import INFRA
from tests.infra.vm.killed import KILLED, KILLS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTINGS = {"queue": "jobs"}
INSTALLER = """
import sys
from pathlib import Path
if Path(sys.argv[0]).with_name("fails").exists():
    sys.exit(3)
with (Path(sys.argv[2]).parent / "asked").open("a") as asked:
    asked.write(" ".join([sys.argv[1], Path(sys.argv[2], "says").read_text(), sys.stdin.read()]) + "\\n")
"""

KILLED_BEFORE = f"""
import sys
from pathlib import Path
where, moment, address, state = sys.argv[1:]
sys.dont_write_bytecode = True
sys.path.insert(0, where)
import bootstrap
{KILLS}
sys.exit(bootstrap.main(address, Path(state)))
"""
MANY = 15
"""Changes that it makes for a newer package, at least."""


def _packed(**files: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as packed:
        for name, text in files.items():
            entry = tarfile.TarInfo(name.replace("_py", ".py"))
            entry.size = len(text)
            packed.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()


class Cloud:
    """The metadata service and the storage account of one VM, at one address; both look at what they are sent."""

    def __init__(self, address: str) -> None:
        """Begin without packages and user data."""
        self.address = address
        self.blobs: dict[str, bytes] = {}
        self.user_data = b""
        self.downloads = 0
        self.cuts_off = False
        """Whether a download ends before its end."""

    def upload(self, name: str, content: bytes) -> dict[str, str]:
        """Put a package into the account; give how the user data names it."""
        self.blobs[f"/packages/{name}"] = content
        return self.named(name, content)

    def named(self, name: str, content: bytes) -> dict[str, str]:
        """Give how the user data names a package, whether it is there or not."""
        return {"address": f"{self.address}/packages/{name}", "sha256": hashlib.sha256(content).hexdigest()}

    def want(self, *packages: dict[str, str]) -> None:
        """Set the VM's user data."""
        self.user_data = json.dumps({"packages": packages, "settings": SETTINGS}).encode()

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        """Answer a request as Azure does."""
        if path.startswith("/packages/"):
            self.downloads += 1
            if headers.get("Authorization") != "Bearer of-the-vm":
                return 401, b""
            return (200, self.blobs[path]) if path in self.blobs else (404, b"")
        if headers.get("Metadata") != "true":
            return 400, b""
        if path == "/metadata/instance/compute/userData?api-version=2021-01-01&format=text":
            return 200, base64.b64encode(self.user_data)
        if (
            path.startswith("/metadata/identity/oauth2/token?")
            and "resource=https%3A%2F%2Fstorage.azure.com%2F" in path
        ):
            return 200, b'{"access_token": "of-the-vm"}'
        return 404, b""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Give what a VM reaches."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = found.answer(self.path, dict(self.headers))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if found.cuts_off and self.path.startswith("/packages/") else body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Cloud(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give the VM's folder, which is not there yet."""
    return tmp_path / "state"


def _asked(state: Path) -> list[str]:
    file = state / "asked"
    found = file.read_text("utf-8").splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def test_a_new_vm_fetches_both_packages_and_lets_the_first_install_the_second(cloud: Cloud, state: Path) -> None:
    """With the settings on standard input. A minute later there is nothing to do, and nothing is fetched."""
    cloud.want(cloud.upload("kit", _packed(install_py=INSTALLER)), cloud.upload("work", _packed(says="one")))
    assert bootstrap.main(cloud.address, state) == 0
    assert _asked(state) == ['apply one {"queue": "jobs"}']
    assert cloud.downloads == 2
    assert bootstrap.main(cloud.address, state) == 0
    assert (_asked(state), cloud.downloads) == ([], 2)


def test_a_newer_package_is_fetched_alone_and_the_old_one_removed(cloud: Cloud, state: Path) -> None:
    """As soon as the user data names it."""
    kit = cloud.upload("kit", _packed(install_py=INSTALLER))
    cloud.want(kit, cloud.upload("work", _packed(says="one")))
    bootstrap.main(cloud.address, state)
    second = cloud.upload("work-2", _packed(says="two"))
    cloud.want(kit, second)
    assert bootstrap.main(cloud.address, state) == 0
    assert _asked(state)[-1] == 'apply two {"queue": "jobs"}'
    assert cloud.downloads == 3
    left = sorted(path.name for path in state.glob("package-*"))
    assert left == sorted(f"package-{one['sha256']}" for one in (kit, second))


def test_a_package_that_is_not_uploaded_yet_is_waited_for(
    cloud: Cloud, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each minute a line says which; what is there is fetched once."""
    work = _packed(says="one")
    named = cloud.named("work", work)
    cloud.want(cloud.upload("kit", _packed(install_py=INSTALLER)), named)
    assert bootstrap.main(cloud.address, state) == 1
    assert capsys.readouterr().err == f"spot-vm: {named['address']} answers 404 Not Found; tried again in a minute\n"
    cloud.upload("work", work)
    assert bootstrap.main(cloud.address, state) == 0
    assert _asked(state) == ['apply one {"queue": "jobs"}']
    assert cloud.downloads == 3


def test_another_package_under_the_name_is_refused(
    cloud: Cloud, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever put it there: the hash is in the VM's own user data."""
    kit = cloud.upload("kit", _packed(install_py=INSTALLER))
    forged = {**cloud.upload("work", _packed(says="forged")), "sha256": cloud.named("work", b"")["sha256"]}
    cloud.want(kit, forged)
    assert bootstrap.main(cloud.address, state) == 1
    assert f"{forged['address']} is not the package that is wanted" in capsys.readouterr().err
    assert _asked(state) == []


def test_an_installer_that_fails_is_called_again(cloud: Cloud, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The user data counts as applied only when it is."""
    kit = cloud.upload("kit", _packed(install_py=INSTALLER, fails=""))
    cloud.want(kit, cloud.upload("work", _packed(says="one")))
    assert bootstrap.main(cloud.address, state) == 1
    assert capsys.readouterr().err == "spot-vm: install.py ended with 3; tried again in a minute\n"
    (state / f"package-{kit['sha256']}" / "fails").unlink()
    assert bootstrap.main(cloud.address, state) == 0
    assert len(_asked(state)) == 1


def test_what_was_wanted_before_a_failed_deployment_is_applied_again(cloud: Cloud, state: Path) -> None:
    """A rollback: the installer of the newer one may have changed anything before it failed."""
    kit, work = cloud.upload("kit", _packed(install_py=INSTALLER)), cloud.upload("work", _packed(says="one"))
    cloud.want(kit, work)
    assert bootstrap.main(cloud.address, state) == 0
    cloud.want(cloud.upload("kit-2", _packed(install_py=INSTALLER, fails="")), work)
    assert bootstrap.main(cloud.address, state) == 1
    _asked(state)
    cloud.want(kit, work)
    assert bootstrap.main(cloud.address, state) == 0
    assert _asked(state) == ['apply one {"queue": "jobs"}']
    assert bootstrap.main(cloud.address, state) == 0
    assert _asked(state) == []


def test_a_package_that_cannot_be_had_yet_leaves_what_is_applied(cloud: Cloud, state: Path) -> None:
    """Until the installer is called nothing is changed: if the deployment is taken back, there is nothing to do."""
    kit, work = cloud.upload("kit", _packed(install_py=INSTALLER)), cloud.upload("work", _packed(says="one"))
    cloud.want(kit, work)
    bootstrap.main(cloud.address, state)
    cloud.want(kit, cloud.named("work-2", b"not uploaded"))
    assert bootstrap.main(cloud.address, state) == 1
    _asked(state)
    cloud.want(kit, work)
    assert bootstrap.main(cloud.address, state) == 0
    assert _asked(state) == []


@pytest.mark.parametrize("then", ["the newer again", "the former again"])
def test_killed_at_any_moment_it_comes_to_what_is_wanted_next(cloud: Cloud, state: Path, then: str) -> None:
    """Whichever that is, the whole package is there, and its installer is the last that was asked."""
    kit, former = cloud.upload("kit", _packed(install_py=INSTALLER)), cloud.upload("work", _packed(says="one", b="b"))
    newer = cloud.upload("work-2", _packed(says="two", b="b"))
    cloud.want(kit, former)
    assert bootstrap.main(cloud.address, state) == 0
    kept = shutil.copytree(state, state.with_name("kept"))
    wanted, says = (newer, "two") if then == "the newer again" else (former, "one")
    moment = 0
    while True:
        moment += 1
        shutil.rmtree(state)
        shutil.copytree(kept, state)
        cloud.want(kit, newer)
        if _killed_before(moment, cloud.address, state) != KILLED:
            break
        cloud.want(kit, wanted)
        assert bootstrap.main(cloud.address, state) == 0, moment
        assert _asked(state)[-1] == f'apply {says} {{"queue": "jobs"}}', moment
        left = {path.name: sorted(one.name for one in path.iterdir()) for path in state.iterdir() if path.is_dir()}
        whole = {f"package-{kit['sha256']}": ["install.py"], f"package-{wanted['sha256']}": ["b", "says"]}
        assert whole.items() <= left.items(), moment
    assert moment > MANY


def _killed_before(moment: int, address: str, state: Path) -> int:
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-Ic", KILLED_BEFORE, str(INFRA / "vm"), str(moment), address, str(state)],
        check=False,
        timeout=60,
    )
    return done.returncode


@pytest.mark.parametrize("content", [b"", b"not packed", b"\x1f\x8b junk", b"\xfd7zXZ\0 junk", b"PK\3\4 junk"])
def test_a_package_that_cannot_be_unpacked_is_named(
    cloud: Cloud, state: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line a minute, and nothing of it is left on the disk."""
    kit, work = cloud.upload("kit", _packed(install_py=INSTALLER)), cloud.upload("work", content)
    cloud.want(kit, work)
    assert bootstrap.main(cloud.address, state) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"spot-vm: {work['address']} cannot be unpacked into {state}: ")
    assert said.count("\n") == 1
    assert [path.name for path in state.iterdir()] == [f"package-{kit['sha256']}"]


def test_a_download_that_was_cut_off_is_one_line(cloud: Cloud, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And is done again a minute later."""
    kit, work = cloud.upload("kit", _packed(install_py=INSTALLER)), cloud.upload("work", _packed(says="one"))
    cloud.want(kit, work)
    cloud.cuts_off = True
    assert bootstrap.main(cloud.address, state) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"spot-vm: {kit['address']} cannot be reached: IncompleteRead")
    assert said.count("\n") == 1
    cloud.cuts_off = False
    assert bootstrap.main(cloud.address, state) == 0


def test_power_lost_while_unpacking_leaves_no_half_package(cloud: Cloud, state: Path) -> None:
    """What was begun is begun anew."""
    (state / "new").mkdir(parents=True)
    (state / "new" / "says").write_text("half", "utf-8")
    (state / "new.tar.gz").write_bytes(b"half")
    cloud.want(cloud.upload("kit", _packed(install_py=INSTALLER)), cloud.upload("work", _packed(says="one")))
    assert bootstrap.main(cloud.address, state) == 0
    assert _asked(state) == ['apply one {"queue": "jobs"}']
    assert sorted(path.name for path in state.iterdir() if not path.name.startswith("package-")) == ["applied"]


@pytest.mark.parametrize(
    "user_data",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"packages": []}',
        b'{"packages": [5], "settings": {}}',
        b'{"packages": [{}], "settings": {}}',
    ],
)
def test_user_data_that_cannot_be_read_is_one_line(
    cloud: Cloud, state: Path, user_data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no traceback, each minute."""
    cloud.user_data = user_data
    assert bootstrap.main(cloud.address, state) == 1
    said = capsys.readouterr().err
    assert said.startswith("spot-vm: the VM's user data cannot be read, deploy the workload again: ")
    assert said.count("\n") == 1
