"""Serves the fronts of a world to tests: plain for a look at the wire, over TLS for the real SDKs."""

from __future__ import annotations

import json
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import trustme
from aiohttp import ClientSession, TCPConnector
from aiohttp.test_utils import TestServer
from azure.core.credentials import AccessToken

from localazure.resource_manager.access import Access
from localazure.resource_manager.arm import arm_application
from localazure.resource_manager.resource_graph.service import Graph
from localazure.resource_manager.roles import Role, roles_of_principals
from localazure.world.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from localazure.resource_manager.deployment import Deployed

START: Final = datetime(2025, 11, 16, 23, 19, 30, tzinfo=UTC)
VM1: Final = (
    "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg1"
    "/providers/Microsoft.Compute/virtualMachines/vm1"
)
GRAPH: Final = "/providers/Microsoft.ResourceGraph/resources"
PAYLOADS: Final = Path(__file__).resolve().parents[1] / "payloads" / "arm"


@dataclass
class Clock:
    """A virtual clock. With ``tick`` it moves on by itself each time it is read."""

    now: datetime = START
    tick: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        """Say the time."""
        self.now += self.tick
        return self.now

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Any
    body: Any


@dataclass
class Front:
    """A world that listens."""

    world: World
    clock: Clock
    graph: Graph
    access: Access
    session: ClientSession
    url: str
    ca_file: str

    async def ask(
        self, method: str, path: str, *, who: str = "responder", body: object = None, version: str | None = "2026-04-01"
    ) -> Answer:
        """Send a request as a principal. A path that begins with https is taken whole."""
        whole = path.startswith("http")
        address = path if whole else self.url + path
        if version and not whole:
            address += f"{'&' if '?' in path else '?'}api-version={version}"
        async with self.session.request(
            method, address, json=body, headers={"Authorization": f"Bearer token-of-{who}"}
        ) as response:
            text = await response.text()
            return Answer(response.status, response.headers, json.loads(text) if text else None)

    async def query(self, kql: str, *, who: str = "responder", **options: object) -> Answer:
        """Send a Resource Graph query; options without their dollar sign."""
        named = {f"${name}" if name in {"top", "skip", "skipToken"} else name: value for name, value in options.items()}
        return await self.ask("POST", GRAPH, who=who, body={"query": kql, "options": named}, version="2024-04-01")


class Credential:
    """A principal's credential."""

    def __init__(self, who: str) -> None:
        """Be this principal."""
        self._who = who

    async def get_token(self, *_: str, **__: Any) -> AccessToken:  # noqa: ANN401 - the SDK's signature
        """Give the token."""
        return AccessToken(f"token-of-{self._who}", 4_000_000_000)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        """Nothing to open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""


@asynccontextmanager
async def serve(
    folder: Path,
    *,
    tick: timedelta = timedelta(),
    world: World | None = None,
    roles: dict[str, Role] | None = None,
    beside: Deployed | None = None,
) -> AsyncIterator[Front]:
    """Serve a world on loopback over TLS; without one given, a world with the Spot VM ``vm1`` in group ``rg1``."""
    clock = Clock(tick=tick)
    if world is None:
        world = World(START)
        world.add_vm("vm1", resource_group="rg1", tags={"restart": "true"})
    access = Access(world, clock, _principal_of, roles or roles_of_principals(), b"a key of this test")
    graph = Graph(access)
    authority = trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    server = TestServer(arm_application(access, graph, beside), scheme="https", host="127.0.0.1")
    await server.start_server(ssl=context)
    trusting = ssl.create_default_context(cafile=str(ca_file))
    try:
        async with ClientSession(connector=TCPConnector(ssl=trusting)) as session:
            yield Front(world, clock, graph, access, session, str(server.make_url("")).rstrip("/"), str(ca_file))
    finally:
        await server.close()


def _principal_of(token: str) -> str | None:
    return token.removeprefix("token-of-") if token.startswith("token-of-") else None


def payload(name: str) -> dict[str, Any]:
    """Read one of our own copies of Azure's answers."""
    document: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    return document


def assert_same_shape(sample: object, ours: object, where: str = "body") -> None:
    """Hold that every field of the sample is in our answer, with the same JSON type, all the way down."""
    if isinstance(sample, dict):
        assert isinstance(ours, dict), f"{where}: expected an object, got {ours!r}"
        for key, value in sample.items():
            assert key in ours, f"{where}: {key!r} is missing; there are {sorted(ours)}"
            assert_same_shape(value, ours[key], f"{where}.{key}")
    elif isinstance(sample, list):
        assert isinstance(ours, list), f"{where}: expected a list, got {ours!r}"
        assert len(ours) >= len(sample), f"{where}: expected {len(sample)} elements, got {len(ours)}"
        for index, value in enumerate(sample):
            assert_same_shape(value, ours[index], f"{where}[{index}]")
    else:
        assert type(sample) is type(ours), f"{where}: expected {sample!r}, got {ours!r}"


def assert_like_sample(name: str, answer: Answer) -> dict[str, Any]:
    """Hold an answer against our copy of Azure's: status, the headers it has, shape of the body. Returns the copy."""
    sample = payload(name)
    assert answer.status == sample["status"], answer.body
    missing = [header for header in sample["headers"] if header not in answer.headers]
    assert not missing, f"headers {missing} are missing; there are {sorted(answer.headers)}"
    assert_same_shape(sample["body"], answer.body)
    return sample
