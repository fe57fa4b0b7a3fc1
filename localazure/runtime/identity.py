"""Managed identities and their tokens, as App Service and Entra ID offer them."""

from __future__ import annotations

import hmac
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Self

import jwt
from aiohttp import web
from azure.core.credentials import AccessToken

from localazure.world.timestamps import TENANT_ID, guid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from datetime import datetime
    from types import TracebackType

# Azurite's `--oauth basic` looks at the prefix of the issuer.
_ISSUER: Final = f"https://sts.windows.net/{TENANT_ID}/"
_ALGORITHM: Final = "HS256"
_LIFETIME: Final = timedelta(hours=24)
# Clocks of two processes on one machine agree; this is for a token that is used in the second it was made.
_VALID_BEFORE: Final = timedelta(minutes=5)
_API_VERSION: Final = "2019-08-01"
_PATH: Final = "/msi/token"


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Mints and verifies tokens. ``key`` is made anew for each run, so that no token outlives it.

    ``clock`` gives the time now, aware.
    """

    key: bytes
    clock: Callable[[], datetime]

    def mint(self, principal: str, resource: str) -> AccessToken:
        """Make a token which tells ``resource`` (``https://management.azure.com``) that its bearer is ``principal``."""
        now = self.clock()
        expires_on = int((now + _LIFETIME).timestamp())
        claims = {
            "aud": resource.rstrip("/"),
            "iss": _ISSUER,
            "iat": int(now.timestamp()),
            "nbf": int((now - _VALID_BEFORE).timestamp()),
            "exp": expires_on,
            "idtyp": "app",
            "sub": principal,
            "oid": guid("principal", principal),
            "tid": TENANT_ID,
        }
        return AccessToken(jwt.encode(claims, self.key, algorithm=_ALGORITHM), expires_on)

    def principal_of(self, token: str, resource: str | None = None) -> str | None:
        """Say whose token this is; ``None`` where it is not ours, was tampered with, or is out of its time.

        With ``resource``, a token for another resource is refused too, as Azure does.
        """
        claims = self._claims(token)
        if claims is None or not claims["nbf"] <= self.clock().timestamp() < claims["exp"]:
            return None
        if resource is not None and claims["aud"] != resource.rstrip("/"):
            return None
        return str(claims["sub"])

    def _claims(self, token: str) -> dict[str, Any] | None:
        # PyJWT would judge `nbf` and `exp` by the wall clock; here they are judged by ours.
        checks = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
        try:
            return jwt.decode(token, self.key, algorithms=[_ALGORITHM], issuer=_ISSUER, options=checks)  # type: ignore[arg-type]
        except jwt.InvalidTokenError:
            return None


@dataclass(frozen=True, slots=True)
class PrincipalCredential:
    """An ``azure.core`` async credential that mints for one principal directly, without an identity endpoint."""

    issuer: TokenIssuer
    principal: str

    async def get_token(self, *scopes: str, **_options: object) -> AccessToken:
        """Give a token for the first scope (``https://storage.azure.com/.default``)."""
        return self.issuer.mint(self.principal, scopes[0].removesuffix("/.default"))

    async def close(self) -> None:
        """Do nothing: there is no connection to close."""

    async def __aenter__(self) -> Self:
        """Give the credential itself."""
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Do nothing: there is no connection to close."""


@dataclass(frozen=True, slots=True)
class IdentityEndpoint:
    """Where a function app finds its managed identities."""

    url: str
    header: str

    def environment(self) -> dict[str, str]:
        """Give the variables that App Service sets for an app, and the one that keeps the SDK to this identity."""
        return {
            "IDENTITY_ENDPOINT": self.url,
            "IDENTITY_HEADER": self.header,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        }


def identity_application(issuer: TokenIssuer, principals: Mapping[str, str], header: str) -> web.Application:
    """Build the endpoint. ``principals`` maps a client id to its principal; ``""`` is the system-assigned identity.

    Source of the protocol: docs/azure-facts.md sdk-2.
    """

    async def token(request: web.Request) -> web.Response:
        given = request.headers.get("X-IDENTITY-HEADER", "")
        if not hmac.compare_digest(given.encode(), header.encode()):
            return _refusal(401, "X-IDENTITY-HEADER is missing, or is not what IDENTITY_HEADER holds")
        if request.query.get("api-version") != _API_VERSION:
            return _refusal(400, f"api-version must be {_API_VERSION}")
        resource = request.query.get("resource", "")
        if not resource:
            return _refusal(400, "resource is missing")
        client_id = request.query.get("client_id", "")
        if client_id not in principals:
            return _refusal(400, f"no identity with client id {client_id!r} is assigned to this app")
        return _granted(issuer.mint(principals[client_id], resource), resource)

    application = web.Application()
    application.router.add_get(_PATH, token)
    return application


def _granted(token: AccessToken, resource: str) -> web.Response:
    return web.json_response(
        {
            "access_token": token.token,
            "expires_on": str(token.expires_on),
            "resource": resource,
            "token_type": "Bearer",
        }
    )


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"statusCode": status, "message": message}, status=status)


@asynccontextmanager
async def identity_endpoint(
    issuer: TokenIssuer, principals: Mapping[str, str], header: str
) -> AsyncIterator[IdentityEndpoint]:
    """Serve the identities on a free port of loopback, over plain http as App Service does."""
    runner = web.AppRunner(identity_application(issuer, principals, header), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        yield IdentityEndpoint(f"http://127.0.0.1:{port}{_PATH}", header)
    finally:
        await runner.cleanup()
