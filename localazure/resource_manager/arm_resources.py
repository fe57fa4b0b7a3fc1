"""Which resource is at which address of ARM, which methods it has, and the refusals that all resources share."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from localazure.resource_manager.api_versions import check_version
from localazure.world.azure_errors import Refused, method_not_allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from localazure.resource_manager.access import Access

SUBSCRIPTION_PATH: Final = r"/subscriptions/(?P<subscription>[^/]+)"
GROUP_PATH: Final = SUBSCRIPTION_PATH + r"/resourcegroups/(?P<group>[^/]+)"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was let in: by whom, to which address, with what."""

    access: Access
    request: web.Request
    body: bytes
    principal: str
    match: re.Match[str]

    def authorize(self, action: str) -> None:
        """Raise ``Refused`` 403 where the principal may not do this here."""
        self.access.authorize(self.principal, action, self.match[0])

    def content(self) -> dict[str, Any]:
        """Read the body as a JSON object; raises ``Refused`` 400."""
        return read_content(self.body)


type Reply = Callable[[Asked], web.Response]


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of address: whose resource type it is, how its path looks, in any casing, and what each method does."""

    kind: str
    path: str
    methods: Mapping[str, Reply]

    def __post_init__(self) -> None:
        """Find out at the start, and not at the first request, that a pattern cannot be read."""
        self.pattern()

    def pattern(self) -> re.Pattern[str]:
        """Give the path as a pattern."""
        return re.compile(self.path, re.IGNORECASE)

    def fits(self, path: str) -> re.Match[str] | None:
        """Give what the path holds, if it is one of this kind."""
        return self.pattern().fullmatch(path)


def reply(
    resources: Iterable[Resource], access: Access, request: web.Request, body: bytes, principal: str
) -> web.Response:
    """Answer at an address.

    Raises:
        Refused: 404 where nothing is at such an address, 400 where there is no such version, 405 for a method that does
            not exist there; or what comes of the request itself.
    """
    for resource in resources:
        match = resource.fits(request.path)
        if match is not None:
            check_version(resource.kind, request.query["api-version"], _location(access, request.path))
            method = resource.methods.get(request.method)
            if method is None:
                raise method_not_allowed(request.method, str(request.url), sorted(resource.methods))
            return method(Asked(access, request, body, principal, match))
    raise _no_such_type(request)


def listed(values: list[dict[str, Any]]) -> web.Response:
    """Answer with a list, as ARM writes it."""
    return web.json_response({"value": values})


def read_content(body: bytes) -> dict[str, Any]:
    """Read a body as a JSON object.

    Raises:
        Refused: 400, in ARM's words.
    """
    try:
        content = json.loads(body)
    except ValueError as error:
        problem = f"The request content was invalid and could not be deserialized: '{error}'."
        raise Refused(400, "InvalidRequestContent", problem) from error
    if not isinstance(content, dict):
        raise Refused(400, "InvalidRequestContent", "The request content must be a JSON object.")
    return content


def _location(access: Access, path: str) -> str:
    machines = access.world.machines()
    of_path = [one.location for one in machines if path.lower().startswith(one.vm_id.lower())]
    return (of_path or [one.location for one in machines] or [""])[0]


def _no_such_type(request: web.Request) -> Refused:
    provider = re.search(r"/providers/([^/]+)/([^/]+)(?:/[^/]+/([^/]+))?", request.path)
    if provider is None:
        message = f"Nothing is at {request.path[:300]}; arm.py lists what there is."
    else:
        namespace, *types = (part for part in provider.groups() if part)
        message = (
            f"The resource type '{'/'.join(types)[:200]}' could not be found in the namespace '{namespace[:100]}' for "
            f"api version '{request.query['api-version'][:100]}'. (arm.py lists what there is.)"
        )
    return Refused(404, "InvalidResourceType", message)
