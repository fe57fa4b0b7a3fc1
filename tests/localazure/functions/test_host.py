"""The Functions host with a small app in it: Microsoft's worker library, Azurite, and real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from localazure.functions.host import RunningHost, functions_host
from localazure.runtime.processes import StartError, bare_environment
from tests.localazure.functions.small_app import APP, NEVER, PATIENCE_S, URI, Place, place, running, until, write_app

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).resolve().parents[3]
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
    write_app(tmp_path, app)

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
    write_app(tmp_path)

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
    write_app(tmp_path, EVENT_GRID_APP)

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
    write_app(tmp_path, EVENT_GRID_APP)

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
