"""What every request to the laptop Azure passes first: time, token, rights, limits.

The world is brought to the present before the request is answered. Called by ``arm.py`` and the other fronts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from aiohttp import web

from localazure.resource_manager.limits import Limits
from localazure.resource_manager.operation_answers import OperationAnswers
from localazure.resource_manager.roles import NO_ROLE
from localazure.world.azure_errors import Refused
from localazure.world.timestamps import guid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from localazure.resource_manager.roles import Role
    from localazure.world.operations import Call
    from localazure.world.world import World

_CHALLENGE: Final = 'Bearer authorization_uri="https://login.windows.net/common", error="invalid_token"'


@dataclass(frozen=True, slots=True)
class Access:
    """What the fronts need beside the request.

    ``clock`` says the present; ``principal_of`` reads a bearer token, ``None`` where it is not good;
    ``signing_key`` signs the addresses of operations. ``checked`` keeps each principal and action that was asked about.
    ``roles`` count for all that is there, ``assigned`` for one resource: by principal and that one's id in lower case.
    """

    world: World
    clock: Callable[[], datetime]
    principal_of: Callable[[str], str | None]
    roles: Mapping[str, Role]
    signing_key: bytes
    limits: Limits = field(default_factory=Limits)
    operation_answers: OperationAnswers = field(default_factory=OperationAnswers)
    checked: set[tuple[str, str]] = field(default_factory=set)
    assigned: dict[tuple[str, str], Role] = field(default_factory=dict)

    def enter(self, request: web.Request) -> str:
        """Bring the world to the present and say who is asking; raises ``Refused`` 401 or 400."""
        self.world.advance(self.clock())
        principal = self._authenticate(request)
        demand_version(request)
        return principal

    def authorize(self, principal: str, action: str, scope: str) -> None:
        """Let a principal act; raises ``Refused`` 403 in ARM's words."""
        here = self.assigned.get((principal, scope.lower()), NO_ROLE)
        if self.allows(principal, action) or here.allows(action):
            return
        client = guid("principal", principal)
        raise Refused(
            403,
            "AuthorizationFailed",
            f"The client '{client}' with object id '{client}' does not have authorization to perform action "
            f"'{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please "
            "refresh your credentials.",
        )

    def allows(self, principal: str, action: str) -> bool:
        """Whether the principal's role allows the action."""
        self.checked.add((principal, action))
        return self.roles.get(principal, NO_ROLE).allows(action)

    def assign(self, role: Role, principal: str, scope: str) -> None:
        """Give a principal a role at one resource."""
        self.assigned[principal, scope.lower()] = role

    def respond(self, request: web.Request, answer: Callable[[str], web.Response]) -> web.Response:
        """Let a request in, answer it for its principal, and put a refusal and ARM's headers in ARM's form."""
        return self.in_form(lambda: answer(self.enter(request)))

    def in_form(self, answer: Callable[[], web.Response]) -> web.Response:
        """Answer whoever asks, and put a refusal and ARM's headers in ARM's form."""
        try:
            response = answer()
        except Refused as refusal:
            response = web.json_response(refusal.body(), status=refusal.status, headers=dict(refusal.headers))
        for name, value in self.headers().items():
            response.headers.setdefault(name, value)
        return response

    def record(self, call: Call, answer: Callable[[], web.Response]) -> web.Response:
        """Answer, and note the call in the world with the status and code that came of it."""
        try:
            response = answer()
        except Refused as refusal:
            self.world.calls.append(replace(call, status=refusal.status, code=refusal.code))
            raise
        self.world.calls.append(replace(call, status=response.status))
        return response

    def headers(self) -> dict[str, str]:
        """Give the headers that ARM puts on every answer. ``Date`` is the world's time, not the machine's."""
        request_id = guid("request", len(self.world.calls), self.world.now)
        return {
            "Cache-Control": "no-cache",
            "Date": format_datetime(self.world.now, usegmt=True),
            "Expires": "-1",
            "Pragma": "no-cache",
            "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
            "X-Cache": "CONFIG_NOCACHE",
            "X-Content-Type-Options": "nosniff",
            "x-ms-correlation-request-id": request_id,
            "x-ms-need-to-refresh-epl-cache": "False",
            "x-ms-request-id": request_id,
            "X-MSEdge-Ref": f"Ref A: {request_id.replace('-', '').upper()} Ref B: LAPTOP",
        }

    def _authenticate(self, request: web.Request) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        principal = self.principal_of(token.strip()) if scheme.lower() == "bearer" else None
        if principal is None:
            raise Refused(
                401,
                "InvalidAuthenticationToken",
                "The access token is missing, invalid or expired. Send a bearer token for this resource.",
                headers={"WWW-Authenticate": _CHALLENGE},
            )
        return principal


def demand_version(request: web.Request) -> str:
    """Give the version of its API that a request names; raises ``Refused`` 400 where it names none."""
    version = request.query.get("api-version", "")
    if not version:
        raise Refused(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    return version
