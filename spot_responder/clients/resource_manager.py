"""The port to Azure Resource Manager for what has no client of its own: lists of sizes and quotas, whole VMs, rights.

Opened by ``connections.py`` for the identity that may change sizes, and by ``operator_connections.py``. Reads wait for
their turn in ``rate_limiter.py``.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.rest import HttpRequest

from spot_responder.clients.operator_errors import could_not_look
from spot_responder.clients.rate_limiter import Turns
from spot_responder.clients.sdk_errors import UNREADABLE, refusal, unreadable
from spot_responder.decisions.token_bucket import READS
from spot_responder.operators.ports import Login
from spot_responder.responder.ports import ArmAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from azure.core import AsyncPipelineClient
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.rest import AsyncHttpResponse

    from spot_responder.settings import Settings

_MOST_PAGES: Final = 100
_OF_AN_ADDRESS: Final = "/?&=%$'()"


@dataclass(frozen=True, slots=True)
class ResourceManager:
    """The port to ARM for paths that have no client of their own here."""

    settings: Settings
    client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse]
    credential: AsyncTokenCredential
    _reads: Turns = field(default_factory=lambda: Turns(READS, "x-ms-ratelimit-remaining-subscription-reads"))

    async def login(self) -> Login:
        """Give the login's name, by what its token says.

        Raises:
            CouldNotLookError: if there is no login.
        """
        try:
            token = await self.credential.get_token(f"{self.settings.arm_endpoint}/.default")
        except AzureError as error:
            raise could_not_look(error, self.settings) from error
        return login_of(token.token)

    async def ask(self, method: str, path: str, api_version: str) -> ArmAnswer:
        """Send a request: for what is at a path, or for an action.

        Raises:
            AzureRefusedError: whatever Azure said instead.
        """
        joint = "&" if "?" in path else "?"
        # Names may have letters that no address may.
        address = f"{self.settings.arm_endpoint}{quote(path, safe=_OF_AN_ADDRESS)}{joint}api-version={api_version}"
        return await self._ask(method, address)

    async def listed(self, path: str, api_version: str) -> list[Mapping[str, object]]:
        """Give all items of a list. A next page is followed on ARM's own host only: a token goes with the request.

        Raises:
            AzureRefusedError: whatever Azure said instead, and where it gave no list or less than a whole one: what is
                not in such an answer may be there.
        """
        answer = await self.ask("GET", path, api_version)
        found = _values(answer.body, path)
        for _ in range(_MOST_PAGES):
            following = answer.body.get("nextLink")
            if not following:
                return found
            if not str(following).startswith(f"{self.settings.arm_endpoint}/"):
                raise unreadable(ValueError(f"its next page is at another host: {following}"), f"GET {path}")
            answer = await self._ask("GET", str(following))
            found += _values(answer.body, path)
        raise unreadable(ValueError(f"it has more than {_MOST_PAGES} pages"), f"GET {path}")

    async def _ask(self, method: str, address: str) -> ArmAnswer:
        path = unquote(urlsplit(address).path)
        what = f"{method} {path}"
        try:
            if method == "GET":
                async with self._reads.turn(_subscription_of(path), what) as turn:
                    response = await self.client.send_request(HttpRequest(method, address))
                    turn.take(response)
            else:
                response = await self.client.send_request(HttpRequest(method, address))
            if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
                raise HttpResponseError(response=response)
            return ArmAnswer(_body(response), _date(response.headers.get("Date")))
        except AzureError as error:
            raise refusal(error, what) from error
        except UNREADABLE as error:
            raise unreadable(error, what) from error


def _subscription_of(path: str) -> str:
    """Give the subscription of a path, since ARM counts requests by it; ``""`` where it has none."""
    return path.lower().partition("/subscriptions/")[2].partition("/")[0]


def _body(response: AsyncHttpResponse) -> Mapping[str, object]:
    """Give what an answer says; ``{}`` where it says nothing, as after an action. Raises ``ValueError``."""
    body = response.json() if response.text().strip() else {}
    if not isinstance(body, dict):
        message = f"no JSON object, but {str(body)[:80]!r}"
        raise ValueError(message)  # noqa: TRY004 - of what a wire may say, as all that cannot be read
    return body


def _values(body: Mapping[str, object], path: str) -> list[Mapping[str, object]]:
    values = body.get("value")
    if not isinstance(values, list):
        raise unreadable(ValueError(f"it has no list: {str(body)[:80]!r}"), f"GET {path}")
    return [value for value in values if isinstance(value, dict)]


def login_of(token: str) -> Login:
    """Read from a token whose it is."""
    claims = _claims(token)
    name = next(
        (claims[key] for key in ("upn", "unique_name", "app_displayname", "appid", "sub") if claims.get(key)), ""
    )
    return Login(str(name), str(claims.get("oid") or ""))


def _claims(token: str) -> dict[str, object]:
    """Read a token's claims without checking it: only to show a name. Not every token can be read."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
