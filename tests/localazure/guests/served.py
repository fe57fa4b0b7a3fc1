"""A metadata service that listens, for tests that ask it with Python's plain HTTP client."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Final

from localazure.guests.announcements import Announcements
from localazure.guests.metadata_service import MetadataService, metadata_service
from localazure.runtime.identity import TokenIssuer
from localazure.world.world import World
from tests.harness.fronts import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

ISSUER_KEY: Final = b"a key for this test, 32 bytes or more"
METADATA: Final = {"Metadata": "true"}
EVENTS: Final = "/metadata/scheduledevents?api-version=2020-07-01"
INSTANCE: Final = "/metadata/instance?api-version=2021-02-01"
COMPUTE: Final = "/metadata/instance/compute?api-version=2021-02-01"
LOAD_BALANCER: Final = "/metadata/loadbalancer?api-version=2020-10-01"
IDENTITY: Final = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com%2F"
_PATIENCE_S: Final = 10.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Any:  # noqa: ANN401 - JSON
        """Read the body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Served:
    """A VM's metadata service, its world, and the world's clock, which stands still until it is moved."""

    service: MetadataService
    clock: Clock

    async def ask(
        self,
        path: str = EVENTS,
        *,
        method: str = "GET",
        headers: Mapping[str, str] = METADATA,
        body: object = None,
        patience_s: float = _PATIENCE_S,
    ) -> Answer:
        """Ask as a program in the VM does; raises what Python's client does."""
        return await asyncio.to_thread(self._ask, path, method, headers, body, patience_s)

    def _ask(self, path: str, method: str, headers: Mapping[str, str], body: object, patience_s: float) -> Answer:
        connection = HTTPConnection(self.service.url.removeprefix("http://"), timeout=patience_s)
        try:
            sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, path, body=sent, headers=dict(headers))
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()


@asynccontextmanager
async def served(world: World | None = None, name: str = "vm-1") -> AsyncIterator[Served]:
    """Serve a VM of a world or, without one, the Spot VM ``vm-1`` of a world of its own."""
    clock = Clock()
    if world is None:
        world = World(clock.now)
        world.add_vm("vm-1", tags={"restart": "true"}, zone="2")
    service = MetadataService(
        machine=world.machine(name),
        world=world,
        announcements=Announcements(world),
        issuer=TokenIssuer(ISSUER_KEY, clock),
        clock=clock,
        identities={"": "vm-1", "a-client-id": "an-identity"},
    )
    async with metadata_service(service):
        yield Served(service, clock)
