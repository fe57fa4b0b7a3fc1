"""What every command says where it cannot do its work: one line, exit code 1 or 2, and nothing done."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from aiohttp import web

from localazure.runtime.azurite import azurite
from localazure.runtime.certificate import write_certificate
from tests.harness.operators_laptop import TAG, OperatorsLaptop, operators_laptop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from localazure.demo.as_operator import Done

VM_COMMANDS: Final = ("explain", "hold", "release", "retry", "drill")
COMMANDS: Final = {
    "status": (),
    "plan": (),
    "history": (),
    "replay": ("list",),
    **dict.fromkeys(VM_COMMANDS, ("alone",)),
}
"""All but the doctor, who says the same in findings."""


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorsLaptop]:
    """Start the laptop Azure once, with a VM, and two that share a name."""
    with operators_laptop(tmp_path_factory.mktemp("failures")) as running:
        for name, group in (("alone", "rg-spot"), ("twin", "rg-spot"), ("twin", "rg-other")):
            running.move(lambda laptop, n=name, g=group: laptop.world.add_vm(n, tags=TAG, resource_group=g))  # type: ignore[misc]
        yield running


def line(done: Done, name: str, exit_code: int = 1) -> str:
    """Give the one line that a command said."""
    assert (done.exit_code, done.out) == (exit_code, ""), done
    assert done.err.startswith(f"{name}: ")
    assert done.err.count("\n") == 1
    return done.err.removeprefix(f"{name}: ").rstrip("\n")


def found(azure: OperatorsLaptop, environment: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Give how the doctor found each place of storage, and what mends it."""
    findings = azure.operator("doctor", "--json", environment=environment).content["findings"]
    storage = ("queue", "container", "table")
    return {each["what"]: (each["health"], each["mend"]) for each in findings if each["what"].split()[0] in storage}


@asynccontextmanager
async def elsewhere(azure: OperatorsLaptop, folder: Path) -> AsyncIterator[dict[str, str]]:
    """Give the environment of an operator whose settings name another storage account, in which nothing is."""
    certificate = write_certificate(folder / "certificates")
    async with azurite(None, certificate, b"k" * 64) as storage:
        yield _with_both(azure, folder, certificate.authority) | storage.environment()


@asynccontextmanager
async def denying(azure: OperatorsLaptop, folder: Path) -> AsyncIterator[dict[str, str]]:
    """Give the environment of an operator who has no role on the storage account, as Azure answers then."""
    certificate = write_certificate(folder / "certificates")

    async def deny(request: web.Request) -> web.Response:
        code = "AuthorizationPermissionMismatch"
        kind, body = "application/xml", f"<Error><Code>{code}</Code><Message>not authorized</Message></Error>"
        if "json" in request.headers.get("Accept", ""):
            told = {"code": code, "message": {"value": "not authorized"}}
            kind, body = "application/json", json.dumps({"odata.error": told})
        return web.Response(status=403, text=body, headers={"x-ms-error-code": code}, content_type=kind)

    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", deny)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate.server_context()).start()
    address = f"https://127.0.0.1:{runner.addresses[0][1]}/spotresponder"
    storage = [f"AzureWebJobsStorage__{service}ServiceUri" for service in ("queue", "table")]
    names = [*storage, "DEAD_LETTERS_ENDPOINT"]
    try:
        yield _with_both(azure, folder, certificate.authority) | dict.fromkeys(names, address)
    finally:
        await runner.cleanup()


def _with_both(azure: OperatorsLaptop, folder: Path, authority: Path) -> dict[str, str]:
    """Let the operator trust ARM's certificate of the laptop, and another one."""
    operator = dict(azure.laptop.operator)
    both = folder / "authorities.pem"
    laptops = (azure.folder / "certificates" / authority.name).read_text(encoding="utf-8")
    both.write_text(laptops + authority.read_text(encoding="utf-8"), encoding="utf-8")
    return operator | {"SSL_CERT_FILE": str(both)}


def _run_all(azure: OperatorsLaptop, place: Any) -> tuple[dict[str, Done], dict[str, tuple[str, str]]]:  # noqa: ANN401 - a context
    async def run() -> tuple[dict[str, Done], dict[str, tuple[str, str]]]:
        async with place as environment:
            done = {
                name: await asyncio.to_thread(azure.operator, name, *words, environment=environment)
                for name, words in COMMANDS.items()
            }
            return done, await asyncio.to_thread(found, azure, environment)

    return asyncio.run(run())


def test_where_nothing_is_deployed_each_command_says_so(azure: OperatorsLaptop, tmp_path: Path) -> None:
    """The settings are another account's: no tables, no queues, no container."""
    done, doctors = _run_all(azure, elsewhere(azure, tmp_path))
    for name in COMMANDS:
        said = line(done[name], name)
        assert said.startswith("nothing is deployed at https://127.0.0.1:"), said
        assert said.endswith(" that of the app?")
    assert {health for health, _ in doctors.values()} == {"bad"}
    assert len(doctors) == 6


def test_without_a_right_in_storage_each_command_says_which_role(azure: OperatorsLaptop, tmp_path: Path) -> None:
    """As before the roles of docs/rights.md §1 are assigned."""
    done, doctors = _run_all(azure, denying(azure, tmp_path))
    for name in COMMANDS:
        said = line(done[name], name)
        assert said.startswith("this login may not do that at https://127.0.0.1:"), said
        assert "(AuthorizationPermissionMismatch): have Storage " in said
        assert said.endswith(" Data Reader (to act: Contributor) assigned to it")
    assert {health for health, _ in doctors.values()} == {"could not look"}
    assert all("Data Reader (to act: Contributor) assigned to it" in mend for _, mend in doctors.values())


@pytest.mark.parametrize("name", ["status", "explain", "replay"])
def test_without_a_login_it_is_said(name: str, azure: OperatorsLaptop) -> None:
    """Nobody answers where tokens come from; to each command, for all open the same ports."""
    environment = dict(azure.laptop.operator) | {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/none"}
    done = azure.operator(name, *COMMANDS[name], environment=environment)
    told = line(done, name)
    assert told.startswith("nobody is logged in, or not for long enough (ManagedIdentityCredential: Cannot connect to ")
    assert told.endswith("): run `az login`, then try again")


@pytest.mark.parametrize("name", VM_COMMANDS)
def test_a_vm_that_there_is_not_is_said(name: str, azure: OperatorsLaptop) -> None:
    """By a name that nobody has."""
    said = line(azure.operator(name, "nobody-1"), name)
    assert said == "no VM is called 'nobody-1': neither a recovery's, nor one that your login sees"


@pytest.mark.parametrize("name", VM_COMMANDS)
def test_several_vms_of_one_name_are_named_by_their_ids(name: str, azure: OperatorsLaptop) -> None:
    """One of them is meant, and it is not guessed which."""
    said = line(azure.operator(name, "twin"), name, exit_code=2)
    assert said.startswith("2 VMs are called 'twin': name one by its id: /subscriptions/")
    assert "/resourceGroups/rg-other/" in said
    assert "/resourceGroups/rg-spot/" in said


@pytest.mark.parametrize("name", ["explain", "drill", "plan"])
def test_without_rights_on_vms_it_is_said(name: str, azure: OperatorsLaptop) -> None:
    """Who must look at ARM, or ask Resource Graph, says what was said there."""
    vm_id = azure.move(lambda laptop: laptop.world.machine("alone").vm_id)
    environment = azure.run(azure.laptop.log_in("stranger"))
    words = [] if name == "plan" else [vm_id]
    said = line(azure.operator(name, *words, environment=environment), name)
    assert "AuthorizationFailed (denied)" in said


@pytest.mark.parametrize("name", VM_COMMANDS)
def test_where_names_are_not_told_an_id_is_asked_for(name: str, azure: OperatorsLaptop) -> None:
    """Resource Graph refuses: what has that name is not guessed, and the row that there is of one is named."""
    vm_id = azure.move(lambda laptop: laptop.world.machine("alone").vm_id)
    azure.operator("hold", vm_id)
    environment = azure.run(azure.laptop.log_in("stranger"))
    said = line(azure.operator(name, "alone", environment=environment), name)
    told = f"a VM is not found by its name now; name it by its id: we have a row of {vm_id}. Azure refused to answer "
    assert said.startswith(told)
    assert "AuthorizationFailed (denied)" in said
