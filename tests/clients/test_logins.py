"""No token: what Azure's own login library says then, and what is made of it: nothing was asked, and why."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.rest import HttpRequest
from azure.identity import CredentialUnavailableError
from azure.identity.aio import (
    AzureCliCredential,
    ChainedTokenCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
)

from spot_responder.clients.connections import connect
from spot_responder.clients.logins import Login, NoTokenError
from spot_responder.clients.sdk_errors import failure_of
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy
from spot_responder.intake.azure_errors import MESSAGE_CHARACTERS, NO_TOKEN, FailureKind
from spot_responder.responder.ports import AzureRefusedError, StoreFailedError
from spot_responder.settings import Settings
from tests.harness.makers import TEN, VM_ID, recovery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path
    from typing import Any

    from azure.core.credentials_async import AsyncTokenCredential

    from spot_responder.intake.azure_errors import Failure

SCOPE = "https://management.azure.com/.default"
NOT_ASSIGNED = "Identity not found"
NOBODY = "http://127.0.0.1:9"
"""An address where nobody answers."""


def in_a_loop(story: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in an event loop of its own."""

    @wraps(story)
    def run(*given: object, **named: object) -> None:
        asyncio.run(story(*given, **named))

    return run


@asynccontextmanager
async def identity_endpoint(status: int, body: object) -> AsyncIterator[str]:
    """Open an identity endpoint of Azure's that gives this answer to all."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave nothing in the environment that a login could be found by; what stands for IMDS is out."""
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "AZURE_CLIENT_ID", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", NOBODY)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


async def failed(credential: AsyncTokenCredential) -> tuple[Failure, Failure]:
    """Ask for a token in vain; give what is made of it as the SDKs raise it, and as our ports do."""
    async with credential:
        with pytest.raises(AzureError) as raw:
            await credential.get_token(SCOPE)
        with pytest.raises(NoTokenError) as ours:
            await Login(credential).get_token_info(SCOPE)
    return failure_of(raw.value), failure_of(ours.value)


def is_told(failure: Failure, *words: str) -> bool:
    """Answer whether it is told as what it is, with its cause."""
    is_it = (failure.kind, failure.code) == (FailureKind.DENIED, NO_TOKEN)
    return is_it and all(word in failure.message for word in words) and len(failure.message) <= MESSAGE_CHARACTERS


@in_a_loop
async def test_an_identity_that_is_not_assigned_is_named() -> None:
    """IMDS answers 400 to the app's managed identity."""
    body = {"error": "invalid_request", "error_description": NOT_ASSIGNED}
    async with identity_endpoint(400, body) as imds:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", imds)
            for failure in await failed(ManagedIdentityCredential(client_id="c", retry_total=0)):
                assert is_told(failure, "The requested identity has not been assigned to this resource")


@pytest.mark.parametrize("status", [404, 429, 500])
@in_a_loop
async def test_an_identity_endpoint_that_does_not_work_is_no_answer_of_azure(status: int) -> None:
    """Its 404 is not the VM's, its 429 not Compute's, its 500 not Resource Graph's."""
    async with identity_endpoint(status, {"error": "broken"}) as imds:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", imds)
            for failure in await failed(ManagedIdentityCredential(retry_total=0)):
                assert is_told(failure, "broken")


@in_a_loop
async def test_an_identity_endpoint_that_is_out_is_told_as_such() -> None:
    """Nobody takes the connection: what is raised looks like a silence of Azure Resource Manager's."""
    credential = ManagedIdentityCredential(retry_total=0)
    async with credential:
        with pytest.raises(NoTokenError) as raised:
            await Login(credential).get_token(SCOPE)
    assert is_told(failure_of(raised.value), "no response from the IMDS endpoint")


@pytest.mark.parametrize("status", [400, 401, 403, 500])
@in_a_loop
async def test_the_functions_hosts_identity_endpoint_is_told_as_such(status: int) -> None:
    """The app service's own endpoint refuses: nothing was asked of Azure Resource Manager."""
    async with identity_endpoint(status, {"statusCode": status, "message": "No User Assigned found"}) as endpoint:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("IDENTITY_ENDPOINT", f"{endpoint}/msi/token")
            environment.setenv("IDENTITY_HEADER", "secret")
            credential = ManagedIdentityCredential(client_id="c", retry_total=0)
            async with credential:
                with pytest.raises(NoTokenError) as raised:
                    await Login(credential).get_token(SCOPE)
    assert is_told(failure_of(raised.value), "No User Assigned found")


@in_a_loop
async def test_where_nothing_is_set_up_each_way_is_named() -> None:
    """A fresh machine: nine credentials, and not one of them was meant."""
    for failure in await failed(DefaultAzureCredential(retry_total=0, exclude_managed_identity_credential=True)):
        assert is_told(failure, "EnvironmentCredential: Environment variables are not", "Azure CLI not found on path")


@in_a_loop
async def test_of_many_credentials_the_one_that_matters_is_named(tmp_path: Path) -> None:
    """Its login has expired: the az CLI says so, seventh of nine."""
    az = tmp_path / "az"
    said = "ERROR: AADSTS700082: The refresh token has expired due to inactivity."
    az.write_text(f'#!/bin/sh\necho "{said}" >&2\nexit 1\n')
    az.chmod(0o755)
    for failure in await failed(DefaultAzureCredential(retry_total=0, exclude_managed_identity_credential=True)):
        assert is_told(failure, "AzureCliCredential", "AADSTS700082: The refresh token has expired")
        assert "EnvironmentCredential" not in failure.message
        assert "https://" not in failure.message


@in_a_loop
async def test_an_identity_that_is_not_assigned_is_named_among_many() -> None:
    """The app as it is deployed: its identity endpoint says why, and no developer's tool is there."""
    async with identity_endpoint(400, {"error": "invalid_request", "error_description": NOT_ASSIGNED}) as imds:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", imds)
            for failure in await failed(DefaultAzureCredential(retry_total=0)):
                assert is_told(failure, "ManagedIdentityCredential", NOT_ASSIGNED)
                assert "PowerShell" not in failure.message


@in_a_loop
async def test_a_chain_says_what_its_credentials_said() -> None:
    """Two ways, neither of which is set up."""
    chain = ChainedTokenCredential(AzureCliCredential(), ManagedIdentityCredential(retry_total=0))
    for failure in await failed(chain):
        assert is_told(failure, "ManagedIdentityCredential")


def answered(status: int, url: str) -> ClientAuthenticationError:
    """Make what an SDK raises for a 401 of a service, or of the login itself."""

    class _Answer:
        status_code = status
        reason = ""
        headers: dict[str, str] = {}  # noqa: RUF012 - nobody writes to it
        content_type = "application/json"
        request = HttpRequest("GET", url)

        def text(self) -> str:
            return json.dumps({"error": {"code": "ExpiredAuthenticationToken", "message": "The token expired."}})

    return ClientAuthenticationError("as the SDK words it", response=_Answer())


def test_what_a_service_says_of_a_token_is_its_own_word() -> None:
    """Asked, and refused: the service's code; refused by the login: no token."""
    asked = failure_of(answered(401, "https://management.azure.com/subscriptions/s"))
    assert (asked.kind, asked.code) == (FailureKind.DENIED, "ExpiredAuthenticationToken")
    assert is_told(failure_of(answered(401, "https://login.microsoftonline.com/t/oauth2/v2.0/token")))
    assert is_told(failure_of(CredentialUnavailableError("az login")), "az login")


class Renewable:
    """A credential of the older kind, which knows no ``get_token_info``."""

    async def get_token(self, *_: str, **__: object) -> AccessToken:
        """Give a token."""
        return AccessToken("t", 7)

    async def close(self) -> None:
        """Close nothing."""

    async def __aenter__(self) -> Renewable:  # noqa: PYI034 - as the protocol has it
        """Open nothing."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close nothing."""


@in_a_loop
async def test_a_token_is_handed_on_as_it_came() -> None:
    """With its end; whichever way the SDK asks for it."""
    async with Login(Renewable()) as login:
        assert await login.get_token(SCOPE) == AccessToken("t", 7)
        info = await login.get_token_info(SCOPE)
        assert (info.token, info.expires_on) == ("t", 7)
        await login.close()


@in_a_loop
async def test_no_port_takes_a_want_of_a_token_for_a_silence() -> None:
    """ARM, Resource Graph, the tables and the topic: each was not asked, and each says why."""
    settings = Settings(
        queue_endpoint="https://queue.invalid",
        table_endpoint="https://table.invalid",
        arm_endpoint="https://arm.invalid",
        outcomes_endpoint="https://topic.invalid",
        dry_run=False,
        policy=Policy(),
    )
    async with DefaultAzureCredential(retry_total=0, exclude_managed_identity_credential=True) as credential:
        ports = connect(settings, Login(credential))
        said = []
        for ask in (
            ports.compute.current(VM_ID),
            ports.compute.start(VM_ID),
            ports.graph.confirm(VM_ID),
            ports.store.load(VM_ID),
            ports.store.all_recoveries(),
            ports.events_topic.publish_outcome(recovery().closed(Outcome.GONE, TEN, "gone")),
        ):
            try:
                await ask
            except (AzureRefusedError, StoreFailedError) as refused:
                said.append(refused.failure)
        with pytest.raises(NoTokenError):
            await ports.queue.put({}, Policy().look_again)
    assert len(said) == 6
    assert all(is_told(failure, "Azure CLI not found on path") for failure in said)
