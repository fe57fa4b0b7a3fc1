"""How QEMU is called for a guest, and by which addresses a guest finds what runs on this machine."""

from __future__ import annotations

from pathlib import Path

from localazure.guests.linux import machine, qemu
from localazure.guests.linux.qemu import command_line, seen_from_inside

WORK = (
    "AccountName=spotwork;AccountKey=a2V5;BlobEndpoint=https://127.0.0.1:4101/spotwork;"
    "QueueEndpoint=https://127.0.0.1:4102/spotwork;TableEndpoint=https://127.0.0.1:4103/spotwork;"
)


def test_a_guest_finds_storage_by_an_address_of_its_network_and_the_same_ports() -> None:
    """So a URL differs in its host alone, and the certificate, which names that host, is good for all ports."""
    assert seen_from_inside(WORK) == WORK.replace("127.0.0.1", "169.254.0.2")
    assert (
        seen_from_inside("https://127.0.0.1:4101/spotresponder/agents")
        == "https://169.254.0.2:4101/spotresponder/agents"
    )
    assert seen_from_inside("AccountKey=//127.0.0.1=") == "AccountKey=//127.0.0.1="
    assert seen_from_inside("") == ""


def test_a_guest_is_told_where_its_own_metadata_service_is() -> None:
    """Of the kernel's command line the guest's network makes its way to 169.254.169.254."""
    (words,) = [word for word in _command() if word.startswith("console=")]
    assert words.split()[-1] == "guest.metadata=169.254.0.2:35017"
    (network,) = [word for word in _command() if word.startswith("user,")]
    assert network == "user,id=net,net=169.254.0.0/16,host=169.254.0.2"


def test_a_path_with_a_comma_is_one_path() -> None:
    """QEMU separates options by commas."""
    assert "if=none,id=payload,file=/a,,b/payload.ext4,format=raw,readonly=on" in _command(Path("/a,b/payload.ext4"))


def test_who_runs_qemu_knows_its_socket_by_the_same_name() -> None:
    """It runs alone, and cannot import the name."""
    assert f"unix:{qemu.QMP},server=on,wait=off" in _command()
    assert machine.QMP == qemu.QMP


def _command(payload: Path = Path("/images/payload.ext4")) -> tuple[str, ...]:
    return command_line(Path("/images/vmlinuz"), payload, "http://127.0.0.1:35017")
