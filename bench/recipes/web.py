"""nginx behind a load balancer: requests come all the time, from one that probes ``/health`` as Azure's does."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from bench.recipes.metadata import metadata
from bench.recipes.recipe import Result, how_hook_ended
from bench.recipes.vm import Vm
from bench.worker.contest import fresh, until
from localazure.runtime.processes import bare_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bench.recipes.stories import Story

NAME: Final = "nginx"
_PROBE_EVERY_S: Final = 5.0
_PROBE_FAILS: Final = 2
_REQUEST_EVERY_S: Final = 0.1
_REQUEST_S: Final = 1.0
"""So long an answer takes: half of it is sent at once."""

_BEFORE_S: Final = 7.0
_AFTER_S: Final = 12.0
"""So long after the VM is down requests are counted: longer than the probe takes to notice."""

_CONFIGURATION: Final = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{behind}; }}
    }}
}}
"""


class _LoadBalancer:
    """Sends each request to the next of the web servers, and to the one that may be evicted only while it is well."""

    def __init__(self, evicted: int, stays: int) -> None:
        self.sent = self.failed = 0
        self._evicted, self._stays, self._is_well = evicted, stays, True
        self._requests: set[asyncio.Task[None]] = set()

    async def probe(self, url: str, session: ClientSession) -> None:
        """Look after the VM for ever."""
        failures = 0
        while True:
            is_well = False
            with suppress(ClientError, TimeoutError):
                async with session.get(url, timeout=ClientTimeout(_PROBE_EVERY_S)) as answer:
                    is_well = answer.ok
            failures = 0 if is_well else failures + 1
            self._is_well = failures < _PROBE_FAILS
            await asyncio.sleep(_PROBE_EVERY_S)

    async def send(self, session: ClientSession) -> None:
        """Send requests for ever."""
        while True:
            self.sent += 1
            port = self._evicted if self._is_well and self.sent % 2 else self._stays
            task = asyncio.create_task(self._one(session, port))
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)
            await asyncio.sleep(_REQUEST_EVERY_S)

    async def over(self) -> None:
        """Wait for the requests that are open."""
        await asyncio.gather(*self._requests)

    async def _one(self, session: ClientSession, port: int) -> None:
        try:
            async with session.get(f"http://127.0.0.1:{port}/", headers={"Connection": "close"}) as answer:
                answer.raise_for_status()
                await answer.read()
        except (ClientError, OSError):
            self.failed += 1


async def play(story: Story, folder: Path) -> Result:
    """Play it in a folder that is emptied first. ``lost`` are requests that failed: nobody sends them again."""
    fresh(folder)
    ports = _free_port(), _free_port()
    async with _application() as behind, metadata("vm-1") as service, ClientSession() as session:
        evicted, stays = (
            _web_server(folder / name, port, behind) for name, port in zip(("vm-1", "vm-2"), ports, strict=True)
        )
        balancer = _LoadBalancer(*ports)
        try:
            await asyncio.gather(evicted.start_worker(), stays.start_worker())
            await evicted.start_agent(service.url, NAME)
            await until(lambda: all(_listens(port) for port in ports))
            async with asyncio.TaskGroup() as group:
                probing = group.create_task(balancer.probe(evicted.health_url(), session))
                sending = group.create_task(balancer.send(session))
                await asyncio.sleep(_BEFORE_S)
                await service.evict(story.value.notice_s)
                await service.down()
                await evicted.kill()
                hooks = evicted.hook_outcomes()
                await asyncio.sleep(_AFTER_S)
                probing.cancel()
                sending.cancel()
            await balancer.over()
            await service.up()
            await evicted.start_agent(service.url, NAME)
            await until(evicted.has_worker)
        finally:
            await asyncio.gather(evicted.kill(), stays.kill())
    hook = how_hook_ended(NAME, story, hooks)
    return Result(NAME, story, balancer.sent, balancer.failed, 0, 0.0, 0.0, hook, evicted.exit_codes())


@asynccontextmanager
async def _application() -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        # The balancer is killed with its VM, and its requests with it.
        with suppress(ConnectionResetError):
            for _ in range(2):
                await response.write(b"half\n")
                await asyncio.sleep(_REQUEST_S / 2)
        return response

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _web_server(folder: Path, port: int, behind: int) -> Vm:
    vm = Vm(folder, ("nginx", "-c", "{folder}/nginx.conf"), bare_environment({}))
    (folder / "nginx.conf").write_text(_CONFIGURATION.format(folder=folder, port=port, behind=behind), "utf-8")
    return vm


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
