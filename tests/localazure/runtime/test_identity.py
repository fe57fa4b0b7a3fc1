"""Managed identities on a laptop: who is let in, and as whom."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import jwt
import pytest

from localazure.runtime.identity import IdentityEndpoint, PrincipalCredential, TokenIssuer, identity_endpoint

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

KEY = b"a key for this test, 32 bytes or more"
STORAGE = "https://storage.azure.com"
MANAGEMENT = "https://management.azure.com"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        """Give the time that was set."""
        return self.now


async def _ask(endpoint: IdentityEndpoint, header: str | None = None, **query: str) -> tuple[int, dict[str, Any]]:
    given = {"api-version": "2019-08-01", "resource": STORAGE} | query
    headers = {"X-IDENTITY-HEADER": endpoint.header if header is None else header}
    async with (
        aiohttp.ClientSession() as session,
        session.get(endpoint.url, params=given, headers=headers) as response,
    ):
        return response.status, await response.json()


def _answer(header: str | None = None, **query: str) -> tuple[int, dict[str, Any]]:
    async def story() -> tuple[int, dict[str, Any]]:
        principals = {"": "responder", "owner-id": "owner"}
        async with identity_endpoint(TokenIssuer(KEY, Clock()), principals, "the header") as endpoint:
            return await _ask(endpoint, header, **query)

    return asyncio.run(story())


@pytest.mark.parametrize(("client_id", "principal"), [("", "responder"), ("owner-id", "owner")])
def test_an_app_is_given_a_token_for_its_identity(client_id: str, principal: str) -> None:
    """The endpoint answers as App Service's does, and the token says who asked."""
    status, body = _answer(client_id=client_id)
    assert status == 200
    assert body | {"access_token": ""} == {
        "access_token": "",
        "expires_on": str(int((NOON + timedelta(hours=24)).timestamp())),
        "resource": STORAGE,
        "token_type": "Bearer",
    }
    assert TokenIssuer(KEY, Clock()).principal_of(body["access_token"], STORAGE) == principal


@pytest.mark.parametrize(
    ("header", "query", "status", "said"),
    [
        ("wrong", {}, 401, "X-IDENTITY-HEADER"),
        ("", {}, 401, "X-IDENTITY-HEADER"),
        (None, {"client_id": "somebody"}, 400, "'somebody'"),
        (None, {"api-version": "2017-09-01"}, 400, "api-version"),
        (None, {"resource": ""}, 400, "resource"),
    ],
)
def test_whoever_asks_wrongly_gets_no_token(header: str | None, query: dict[str, str], status: int, said: str) -> None:
    """Without the app's header, or for an identity that it does not have, there is no token but a reason."""
    answered, body = _answer(header, **query)
    assert answered == status
    assert said in body["message"]
    assert "access_token" not in body


def test_a_token_is_good_for_its_time_its_run_and_its_resource() -> None:
    """A token of yesterday, of another run, changed on its way, or for another resource says nothing."""
    clock = Clock()
    issuer = TokenIssuer(KEY, clock)
    token = issuer.mint("responder", MANAGEMENT).token
    head, claims, signature = token.split(".")
    owner = issuer.mint("owner", MANAGEMENT).token.split(".")[1]
    assert issuer.principal_of(token) == "responder"
    assert issuer.principal_of(token, MANAGEMENT + "/") == "responder"
    assert issuer.principal_of(token, STORAGE) is None
    assert issuer.principal_of(f"{head}.{owner}.{signature}") is None
    assert issuer.principal_of(f"{head}.{claims}") is None
    assert issuer.principal_of("") is None
    assert TokenIssuer(KEY[::-1], clock).principal_of(token) is None
    assert issuer.principal_of(jwt.encode({"sub": "owner"}, key="", algorithm="none")) is None
    clock.now = NOON + timedelta(hours=24)
    assert issuer.principal_of(token) is None
    clock.now = NOON - timedelta(hours=1)
    assert issuer.principal_of(token) is None


def test_the_laptop_itself_mints_without_asking() -> None:
    """The laptop's own credential gives the SDKs a token for the scope that they name."""

    async def story() -> str:
        credential: AsyncTokenCredential = PrincipalCredential(TokenIssuer(KEY, Clock()), "owner")
        async with credential:
            return (await credential.get_token(f"{MANAGEMENT}/.default")).token

    assert TokenIssuer(KEY, Clock()).principal_of(asyncio.run(story()), MANAGEMENT) == "owner"
