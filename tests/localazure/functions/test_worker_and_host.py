"""The Functions host with a small app in it: Microsoft's worker library, Azurite, and real processes."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueServiceClient

from localazure.functions.host import RunningHost, functions_host
from localazure.functions.host_settings import QueueSettings
from localazure.functions.ncrontab import Schedule
from localazure.functions.queue_listener import QueueListener
from localazure.functions.timers import Timer
from localazure.runtime.azurite import azurite
from localazure.runtime.certificate import write_certificate
from localazure.runtime.identity import PrincipalCredential, TokenIssuer, identity_endpoint
from localazure.runtime.processes import StartError, bare_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from azure.core.pipeline import PipelineRequest
    from azure.core.rest import HttpRequest
    from azure.storage.queue.aio import QueueClient

    from localazure.functions.worker import RpcException, TypedData

REPOSITORY = Path(__file__).resolve().parents[3]
PATIENCE_S = 30.0
APP = """
import asyncio, json, logging, pathlib
import azure.functions as func

HERE = pathlib.Path(__file__).parent
app = func.FunctionApp()

def record(name, **what):
    with (HERE / name).open("a") as file:
        file.write(json.dumps(what) + "\\n")

@app.queue_trigger(arg_name="message", queue_name="%SIGNALS%", connection="AzureWebJobsStorage")
async def on_signal(message: func.QueueMessage) -> None:
    body = message.get_body().decode()
    record("begun", body=body)
    logging.getLogger("azure.library").info("a library logs %s", body)
    if body == "bad":
        raise ValueError("this is no event")
    if body == "slow":
        while not (HERE / "go").exists():
            await asyncio.sleep(0.02)
    record("done", body=body, id=message.id, tries=message.dequeue_count, receipt=message.pop_receipt,
           times=[message.insertion_time.isoformat(), message.expiration_time.isoformat(),
                  message.time_next_visible.isoformat()])

@app.timer_trigger(arg_name="timer", schedule="%SWEEP%")
def sweep(timer: func.TimerRequest) -> None:
    record("ticks", past_due=timer.past_due, **timer.schedule_status)

@app.event_grid_trigger(arg_name="event")
async def on_event(event: func.EventGridEvent) -> None:
    record("events", id=event.id)

@app.event_grid_trigger(arg_name="event")
async def on_cloud_event(event: func.CloudEvent) -> None:
    record("events", id=event.id)
    if event.type == "bad":
        raise ValueError("this is no event")
"""
EVENT_GRID_APP = """
import azure.functions as func
app = func.FunctionApp()

@app.event_grid_trigger(arg_name="event")
async def on_event(event: func.EventGridEvent) -> None:
    pass
"""
PARENT = """
import asyncio, pathlib, sys
from localazure.functions.host import functions_host
async def main():
    folder = pathlib.Path(sys.argv[1])
    async with functions_host(folder, {}, folder / "log") as host:
        print(host.url, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""
QUEUES = {"maxPollingInterval": "00:00:00.2", "visibilityTimeout": "00:00:00", "maxDequeueCount": 3}
NEVER = "0 0 0 1 1 *"
URI = "AzureWebJobsStorage__queueServiceUri"


@dataclass(frozen=True)
class Place:
    """Where a test takes place: the app's folder, its storage, and what the host was given."""

    folder: Path
    queues: QueueServiceClient
    credential: PrincipalCredential
    settings: Mapping[str, str]

    @property
    def signals(self) -> QueueClient:
        """Give the queue that the app listens to, written to as Event Grid writes: in base64."""
        return self.queues.get_queue_client("signals", message_encode_policy=TextBase64EncodePolicy())

    @property
    def log(self) -> str:
        """Give all that host and app said."""
        return (self.folder / "log").read_text("utf-8")

    def recorded(self, name: str) -> list[dict[str, Any]]:
        """Give what the app wrote down under this name; a line that it is just writing is not there yet."""
        path = self.folder / name
        whole = path.read_text("utf-8").rpartition("\n")[0] if path.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    async def emptied(self) -> None:
        """Wait until the host is done with all messages: it deletes one only after its function."""
        async with asyncio.timeout(PATIENCE_S):
            while (await self.signals.get_queue_properties()).approximate_message_count:  # noqa: ASYNC110  see `until`
                await asyncio.sleep(0.02)

    async def poison(self) -> list[str]:
        """Give the texts of the poison queue."""
        try:
            return [
                str(message.content)
                for message in await self.queues.get_queue_client("signals-poison").peek_messages(32)
            ]
        except ResourceNotFoundError:
            return []


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to come true; a test that waits for ever fails."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  what is waited for happens in other processes
            await asyncio.sleep(0.02)


def _write_app(folder: Path, app: str = APP) -> None:
    (folder / "function_app.py").write_text(app, "utf-8")
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"queues": QUEUES}}), "utf-8")


@asynccontextmanager
async def place(folder: Path, **settings: str) -> AsyncIterator[Place]:
    """Make the storage, the identity and the app; the host is not started yet."""
    _write_app(folder)
    certificate = write_certificate(folder / "tls")
    issuer = TokenIssuer(secrets.token_bytes(32), lambda: datetime.now(UTC))
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(azurite(None, certificate, secrets.token_bytes(32)))
        identity = await stack.enter_async_context(identity_endpoint(issuer, {"": "responder"}, "header"))
        owner, trust = PrincipalCredential(issuer, "owner"), str(certificate.authority)
        queues = await stack.enter_async_context(QueueServiceClient(storage.queue_uri, owner, connection_verify=trust))
        await queues.create_queue("signals")
        given = storage.environment() | identity.environment() | {"SIGNALS": "signals", "SWEEP": NEVER} | settings
        yield Place(folder, queues, owner, given | {"SSL_CERT_FILE": trust})


@asynccontextmanager
async def running(folder: Path, **settings: str) -> AsyncIterator[tuple[Place, RunningHost]]:
    """Make a place, and run the app in it."""
    async with (
        place(folder, **settings) as made,
        functions_host(folder, made.settings, folder / "log") as host,
    ):
        yield made, host


def test_a_message_reaches_its_function_with_all_that_azure_tells_of_it(tmp_path: Path) -> None:
    """A message arrives decoded, once, with its metadata, and is off the queue afterwards."""

    async def story() -> tuple[dict[str, Any], str, int]:
        async with running(tmp_path) as (at, _):
            sent = await at.signals.send_message("hello")
            await until(lambda: bool(at.recorded("done")))
            await at.emptied()
            return at.recorded("done")[0], sent.id, len(at.recorded("begun"))

    done, sent_id, begun = asyncio.run(story())
    inserted, expires, next_visible = map(datetime.fromisoformat, done["times"])
    assert (done["body"], done["id"], done["tries"], begun) == ("hello", sent_id, 1, 1)
    assert done["receipt"]
    assert expires - inserted == timedelta(days=7)
    assert timedelta(minutes=9) < next_visible - inserted < timedelta(minutes=11)


def test_the_host_silences_no_library_that_the_app_lets_speak(tmp_path: Path) -> None:
    """What an app does not hold back leaves its worker, as in Azure; what the host asks of the queue does not."""

    async def story() -> str:
        async with running(tmp_path) as (at, _):
            await at.signals.send_message("hello")
            await until(lambda: bool(at.recorded("done")))
            await at.emptied()
            return at.log

    log = asyncio.run(story())
    assert " INFO azure.library: a library logs hello\n" in log
    assert "/signals/messages" not in log


def test_a_message_that_always_fails_ends_in_the_poison_queue_and_delays_no_other(tmp_path: Path) -> None:
    """Rubbish is tried as often as host.json says, then set aside with one warning; a slow message holds nobody up."""

    async def story() -> tuple[list[str], list[str], str]:
        async with running(tmp_path) as (at, _):
            for body in ("slow", "bad", *(f"good {number}" for number in range(20))):
                await at.signals.send_message(body)
            await until(lambda: len(at.recorded("done")) == 20)
            await until(lambda: "moved to signals-poison" in at.log)
            (tmp_path / "go").touch()
            await until(lambda: len(at.recorded("done")) == 21)
            return await at.poison(), [begun["body"] for begun in at.recorded("begun")], at.log

    poison, begun, log = asyncio.run(story())
    assert poison == ["YmFk"]
    assert begun.count("bad") == 3
    assert begun.count("slow") == 1
    warnings = [line for line in log.splitlines() if " WARNING localazure" in line]
    assert len(warnings) == 1
    assert "moved to signals-poison at try 3: ValueError: this is no event (" in warnings[0]


def test_a_message_that_is_not_base64_is_set_aside_at_once_as_it_came(tmp_path: Path) -> None:
    """Another try cannot make it base64: as in Azure, no function sees it, and the log says why."""

    async def story() -> tuple[list[str], Place]:
        async with running(tmp_path) as (at, _):
            await at.queues.get_queue_client("signals").send_message('{"plain": "json"}')
            await until(lambda: "moved to signals-poison at try 1: its text is not base64" in at.log)
            return await at.poison(), at

    poison, at = asyncio.run(story())
    assert poison == ['{"plain": "json"}']
    assert at.recorded("begun") == []


def test_a_timer_runs_on_its_schedule(tmp_path: Path) -> None:
    """The schedule comes from the app setting; the function learns when it ran last and will run next."""

    async def story() -> list[dict[str, Any]]:
        async with running(tmp_path, SWEEP="* * * * * *") as (at, _):
            await until(lambda: len(at.recorded("ticks")) >= 2)
            return at.recorded("ticks")

    first, second, *_ = asyncio.run(story())
    assert (first["Last"], first["past_due"]) == (None, False)
    assert second["Last"] == first["LastUpdated"]
    assert datetime.fromisoformat(second["Next"]) > datetime.fromisoformat(second["LastUpdated"])


@pytest.mark.parametrize(
    ("takes_s", "expected"),
    [(25, ["00:10", "00:40", "01:10", "01:40"]), (0, ["00:10", "00:20", "00:30", "00:40"])],
)
def test_a_timer_never_overlaps_itself(takes_s: int, expected: list[str]) -> None:
    """Times that pass while the function runs fall out, and no time comes twice where the clock wakes us early."""
    clock = [datetime(2026, 1, 31, 12, tzinfo=UTC)]
    due: list[str] = []

    async def work(info: TypedData) -> RpcException | None:
        due.append(json.loads(info.json or "")["ScheduleStatus"]["LastUpdated"][14:19])
        clock[0] += timedelta(seconds=takes_s)
        return None

    async def wait_until(moment: datetime) -> bool:
        clock[0] = max(clock[0], moment - timedelta(milliseconds=3))
        return len(due) < len(expected)

    asyncio.run(Timer(Schedule.parse("*/10 * * * * *"), work, lambda: clock[0], wait_until).run())
    assert due == expected


def test_event_grid_pushes_to_the_webhook(tmp_path: Path) -> None:
    """Validation, handshake and events in both schemas are answered as Azure's host answers; a failure is told."""
    cloud_event = {"specversion": "1.0", "id": "c1", "source": "s", "type": "good"}
    event = {"id": "e1", "eventType": "t", "subject": "s", "eventTime": "2026-01-01T00:00:00Z", "data": {}}
    validation = [{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "42"}}]

    async def story() -> list[int]:
        async with running(tmp_path) as (at, host), aiohttp.ClientSession(f"{host.url}/") as session:

            async def post(function: str, event_type: str, body: str) -> tuple[int, str]:
                path = f"runtime/webhooks/EventGrid?functionName={function}"
                async with session.post(path, data=body, headers={"aeg-event-type": event_type}) as response:
                    return response.status, await response.text()

            async with session.get("admin/host/status") as response:
                assert (await response.json())["state"] == "Running"
            assert await post("on_event", "SubscriptionValidation", json.dumps(validation)) == (
                200,
                '{"validationResponse": "42"}',
            )
            path = "runtime/webhooks/EventGrid?functionName=on_event"
            async with session.options(path, headers={"WebHook-Request-Origin": "eventgrid.azure.net"}) as response:
                assert response.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
            bodies = [
                ("on_event", "Notification", json.dumps([event, event | {"id": "e2"}])),
                ("on_cloud_event", "Notification", json.dumps(cloud_event)),
                ("ON_CLOUD_EVENT", "Notification", json.dumps([cloud_event | {"type": "bad"}])),
                ("nobody", "Notification", json.dumps([event])),
                ("on_event", "Notification", "rubbish"),
                ("on_event", "Notification", '["rubbish"]'),
                ("on_event", "Gossip", json.dumps([event])),
            ]
            statuses = [(await post(*body))[0] for body in bodies]
            assert sorted(found["id"] for found in at.recorded("events")) == ["c1", "c1", "e1", "e2"]
            return statuses

    assert asyncio.run(story()) == [202, 202, 500, 404, 400, 400, 400]


@pytest.mark.parametrize(
    ("app", "settings", "said"),
    [
        ('raise ValueError("MAX_TRIES is senseless")', {}, "ValueError: MAX_TRIES is senseless ("),
        ("import no_such_module", {}, "No module named 'no_such_module'"),
        ("x = 1", {}, "Could not find top level function app instances"),
        (APP, {"SIGNALS": "signals"}, "the app setting SWEEP is not set; the timerTrigger of function sweep"),
        (
            APP,
            {"SIGNALS": "s", "SWEEP": "* * *", URI: "https://127.0.0.1:1/a"},
            "the schedule of function sweep: '* * *' has 3 fields",
        ),
        (APP, {"SIGNALS": "s", "SWEEP": NEVER}, f"the app setting {URI} is not set; function on_signal listens"),
    ],
)
def test_an_app_that_cannot_run_stops_the_start_in_one_line(
    tmp_path: Path, app: str, settings: dict[str, str], said: str
) -> None:
    """The host ends with exit code 1 and the app's own error, or the name of the setting that is missing."""
    _write_app(tmp_path, app)

    async def story() -> tuple[int | None, list[str]]:
        process = await _start_by_hand(tmp_path, settings)
        _, said_by_host = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        return process.returncode, said_by_host.decode().splitlines()

    code, lines = asyncio.run(story())
    critical = [line for line in lines if " CRITICAL " in line]
    assert code == 1
    assert len(critical) == 1
    assert said in critical[0]
    assert "Traceback" not in "\n".join(lines)


def test_whoever_starts_a_host_learns_why_it_did_not_start(tmp_path: Path) -> None:
    """The error that the starter gets holds what the host said."""
    _write_app(tmp_path)

    async def story() -> None:
        async with functions_host(tmp_path, {}, tmp_path / "log"):
            pytest.fail("the host ran without its settings")

    with pytest.raises(StartError, match="the app setting SIGNALS is not set"):
        asyncio.run(story())


def test_a_host_that_is_told_to_stop_finishes_what_runs(tmp_path: Path) -> None:
    """After SIGTERM nothing new is taken; the message that is under way is finished and off the queue."""

    async def story() -> tuple[list[str], list[str], int | None]:
        async with place(tmp_path) as at:
            async with functions_host(tmp_path, at.settings, tmp_path / "log") as host:
                await at.signals.send_message("slow")
                await until(lambda: bool(at.recorded("begun")))
                os.kill(host.process.pid, signal.SIGTERM)
                await until_stopping(host)
                await at.signals.send_message("late")
                (tmp_path / "go").touch()
            waiting = [str(message.content) for message in await at.signals.peek_messages(32)]
            left = (await at.signals.get_queue_properties()).approximate_message_count
            return [done["body"] for done in at.recorded("done")], waiting, left

    assert asyncio.run(story()) == (["slow"], ["bGF0ZQ=="], 1)


async def until_stopping(host: RunningHost) -> None:
    """Wait until the host says that it stops."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_S):
        while True:
            async with session.get(f"{host.url}/admin/host/status") as response:
                if (await response.json())["state"] == "Stopping":
                    return
            await asyncio.sleep(0.02)


def test_a_host_that_is_told_to_stop_ends_with_zero(tmp_path: Path) -> None:
    """SIGTERM is no error."""
    _write_app(tmp_path, EVENT_GRID_APP)

    async def story() -> int | None:
        process = await _start_by_hand(tmp_path, {})
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while b"the function app runs at" not in (line := await process.stderr.readline()):
                assert line, "the host ended before it ran"
            process.send_signal(signal.SIGTERM)
            await process.communicate()
        return process.returncode

    assert asyncio.run(story()) == 0


def test_a_host_ends_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    """A run that is killed outright leaves no host behind."""
    _write_app(tmp_path, EVENT_GRID_APP)

    async def story() -> None:
        parent = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PARENT, str(tmp_path), cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
        )
        assert parent.stdout is not None
        url = (await asyncio.wait_for(parent.stdout.readline(), PATIENCE_S)).decode().strip()
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/admin/host/status") as response:
                assert response.status == 200
            parent.send_signal(signal.SIGKILL)
            await parent.wait()
        await until(lambda: "the function app has stopped" in (tmp_path / "log").read_text("utf-8"))

    asyncio.run(story())


async def _start_by_hand(folder: Path, settings: Mapping[str, str]) -> asyncio.subprocess.Process:
    words = ["-m", "localazure.functions.host", "--app-directory", str(folder), "--port", "0"]
    return await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=REPOSITORY, env=bare_environment(settings), stderr=asyncio.subprocess.PIPE
    )


def test_an_idle_queue_is_looked_at_less_and_less(tmp_path: Path) -> None:
    """The waits double from a tenth of a second, and stop growing at maxPollingInterval."""

    async def story() -> list[float]:
        async with place(tmp_path) as at:
            looks: list[float] = []
            stop = asyncio.Event()

            def note(request: PipelineRequest[HttpRequest]) -> None:
                if request.http_request.method == "GET":
                    looks.append(asyncio.get_running_loop().time())
                if len(looks) == 6:
                    stop.set()

            uri, trust = at.settings[URI], at.settings["SSL_CERT_FILE"]
            settings = QueueSettings(max_polling_interval=timedelta(seconds=0.2))
            queues = QueueServiceClient(uri, at.credential, connection_verify=trust, raw_request_hook=note)
            async with queues, asyncio.timeout(PATIENCE_S):
                queue = queues.get_queue_client("signals")
                await QueueListener(queue, queue, settings, _no_work).listen(stop)
            return [later - earlier for earlier, later in itertools.pairwise(looks)]

    waits = asyncio.run(story())
    assert len(waits) == 5
    assert all(wait >= least for wait, least in zip(waits, [0.09, 0.19, 0.19, 0.19, 0.19], strict=True))
    # Without the limit it would be 3.1 s.
    assert sum(waits) < 2.5


async def _no_work(_data: TypedData, _metadata: Mapping[str, TypedData]) -> None:
    pytest.fail("the queue was not empty")


async def _listen(at: Place, settings: QueueSettings, work: Callable[[str], Any], lease: timedelta, count: int) -> None:
    """Listen to the queue in this process until so many messages are done with."""
    stop = asyncio.Event()
    left = [count]

    async def one(data: TypedData, _metadata: Mapping[str, TypedData]) -> None:
        try:
            await work(data.string or "")
        finally:
            left[0] -= 1
            if not left[0]:
                stop.set()

    poison = at.queues.get_queue_client("signals-poison")
    signals = at.queues.get_queue_client("signals")
    async with asyncio.timeout(PATIENCE_S):
        await QueueListener(signals, poison, settings, one, lease).listen(stop)


def test_a_message_is_kept_from_others_as_long_as_its_function_runs(tmp_path: Path) -> None:
    """The lease of a message is renewed: no second worker gets it, however long the first one takes."""

    async def story() -> tuple[list[Any], int | None]:
        async with place(tmp_path) as at:
            await at.signals.send_message("long")
            taken: list[Any] = []

            async def work(_body: str) -> None:
                begun = asyncio.get_running_loop().time()
                while asyncio.get_running_loop().time() < begun + 2.5:
                    taken.extend([message async for message in at.signals.receive_messages(visibility_timeout=1)])

            await _listen(at, QueueSettings(), work, timedelta(seconds=1), 1)
            return taken, (await at.signals.get_queue_properties()).approximate_message_count

    assert asyncio.run(story()) == ([], 0)


def test_no_more_messages_are_taken_than_host_json_allows(tmp_path: Path) -> None:
    """A new batch is fetched only when no more than newBatchThreshold messages are being worked on."""

    async def story() -> tuple[int, int]:
        async with place(tmp_path) as at:
            for number in range(8):
                await at.signals.send_message(str(number))
            running_now: set[str] = set()
            most = [0]

            second_batch = asyncio.Event()

            async def work(body: str) -> None:
                running_now.add(body)
                most[0] = max(most[0], len(running_now))
                if body == "2":
                    second_batch.set()
                if body == "0":
                    await second_batch.wait()
                # Long enough for a listener without restraint to fetch more.
                for _ in range(5):
                    await at.signals.get_queue_properties()
                running_now.discard(body)

            await _listen(at, QueueSettings(batch_size=2, new_batch_threshold=1), work, timedelta(seconds=60), 8)
            return most[0], (await at.signals.get_queue_properties()).approximate_message_count or 0

    assert asyncio.run(story()) == (3, 0)


def test_a_message_that_kills_the_host_each_time_is_set_aside_too(tmp_path: Path) -> None:
    """Tries that never came to an end count as well; a message that had them all is not tried again."""

    async def story() -> tuple[list[str], list[str]]:
        async with place(tmp_path) as at:
            await at.signals.send_message("deadly")
            # A host takes it, and is killed: nobody says how it ended.
            taken = await at.signals.receive_message(visibility_timeout=60)
            assert taken is not None
            await at.signals.update_message(taken.id, taken.pop_receipt, visibility_timeout=0)
            await at.signals.send_message("good")
            worked: list[str] = []

            async def work(body: str) -> None:
                worked.append(body)

            await _listen(at, QueueSettings(max_dequeue_count=1), work, timedelta(seconds=60), 1)
            return worked, await at.poison()

    assert asyncio.run(story()) == (["good"], ["ZGVhZGx5"])
