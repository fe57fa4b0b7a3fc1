"""The app's triggers, as the Functions host finds them, and what stops the app at its start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spot_responder.settings import TABLE

REPOSITORY = Path(__file__).parents[2]
SETTINGS = {
    "AzureWebJobsStorage__queueServiceUri": "https://account.queue.core.windows.net",
    "AzureWebJobsStorage__tableServiceUri": "https://account.table.core.windows.net",
}
OURS = {row.name for row in TABLE}
LOOK = """
import json, sys
import function_app
found = function_app.app.get_functions()
functions = {each.get_function_name(): json.loads(each.get_function_json())["bindings"] for each in found}
azure = sorted(name for name in sys.modules if name.split(".")[0] in ("azure", "aiohttp", "msal", "cryptography"))
print(json.dumps({"functions": functions, "azure": azure}))
"""

IN_THE_WORKER = """
import asyncio, json, logging, pathlib, sys
from localazure.functions.worker import Invocation, TypedData, invoke, load_app

class Sent(logging.Handler):
    def emit(self, record):
        sent.append([record.name, record.levelname])

async def run():
    functions = {each.name: each for each in await load_app(pathlib.Path.cwd())}
    sent.clear()
    message = json.dumps({"specversion": "1.0", "id": "1", "type": "nothing of ours", "source": "/test"})
    await invoke(functions["on_signal"], Invocation("message", TypedData(string=message)))

sent = []
# As the worker does before it loads an app; DEBUG where PYTHON_ENABLE_DEBUG_LOGGING asks for it.
logging.getLogger().addHandler(Sent())
logging.getLogger().setLevel(sys.argv[1])
asyncio.run(run())
loggers = [logging.getLogger(name) for name in [*logging.root.manager.loggerDict, "a.library.of.tomorrow"]]
for logger in loggers:
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logger.log(level, "something")
print(json.dumps({"loggers": [logger.name for logger in loggers], "sent": sent}))
"""


def start(settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Import the app in a process of its own, as the host does, and look at it."""
    inherited = {key: value for key, value in os.environ.items() if key not in {*SETTINGS, *OURS}}
    command = [sys.executable, "-c", LOOK]
    return subprocess.run(  # noqa: S603 - our own interpreter
        command, env=inherited | settings, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def app() -> dict[str, dict[str, list[dict[str, object]]]]:
    """Start the app with the required settings, once."""
    done = start(SETTINGS)
    assert done.returncode == 0, done.stderr
    seen: dict[str, dict[str, list[dict[str, object]]]] = json.loads(done.stdout)
    return seen


def trigger(app: dict[str, dict[str, list[dict[str, object]]]], name: str) -> dict[str, object]:
    """Give the one trigger of a function."""
    (binding,) = (each for each in app["functions"][name] if each["direction"] == "IN")
    return binding


def test_there_are_five_functions(app: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    """Their names are in logs, alerts and templates."""
    assert app["functions"].keys() == {"on_signal", "on_agent", "on_event", "sweep", "status"}


def test_signals_come_from_the_queue(app: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    """From the queue ``signals`` of the app's own storage."""
    binding = trigger(app, "on_signal")
    assert (binding["type"], binding["direction"]) == ("queueTrigger", "IN")
    assert (binding["queueName"], binding["connection"]) == ("signals", "AzureWebJobsStorage")


def test_what_agents_tell_comes_from_a_queue_of_its_own(app: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    """In the same storage."""
    binding = trigger(app, "on_agent")
    assert (binding["type"], binding["direction"]) == ("queueTrigger", "IN")
    assert (binding["queueName"], binding["connection"]) == ("agents", "AzureWebJobsStorage")


def test_events_may_be_pushed(app: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    """For those who chose push."""
    assert trigger(app, "on_event")["type"] == "eventGridTrigger"


def test_the_status_is_for_who_has_the_functions_key(app: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    """Never anonymous: it names VMs, and says why they are down."""
    binding = trigger(app, "status")
    assert (binding["type"], binding["route"], binding["methods"]) == ("httpTrigger", "status", ["GET"])
    assert str(binding["authLevel"]).lower() == "function"


def test_the_sweep_is_every_quarter_of_an_hour_by_default(app: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    """Nobody has to set anything for the safety net to be there."""
    binding = trigger(app, "sweep")
    assert (binding["type"], binding["schedule"]) == ("timerTrigger", "0 */15 * * * *")


def test_the_sweep_is_as_often_as_the_operator_says() -> None:
    """The host itself reads SWEEP_SCHEDULE, so that it is the one place to set it."""
    done = start(SETTINGS | {"SWEEP_SCHEDULE": "0 0 * * * *"})
    assert done.returncode == 0, done.stderr
    assert trigger(json.loads(done.stdout), "sweep")["schedule"] == "%SWEEP_SCHEDULE%"


def test_a_blank_schedule_is_as_good_as_none() -> None:
    """A template leaves the parameter empty: the host is not told to read it."""
    done = start(SETTINGS | {"SWEEP_SCHEDULE": "  "})
    assert done.returncode == 0, done.stderr
    assert trigger(json.loads(done.stdout), "sweep")["schedule"] == "0 */15 * * * *"


def test_the_start_imports_nothing_of_azure_but_the_triggers(
    app: dict[str, dict[str, list[dict[str, object]]]],
) -> None:
    """The SDKs take their time to import; the first signal pays for it, and nobody else."""
    assert "azure.functions" in app["azure"]
    strangers = [name for name in app["azure"] if name != "azure" and not f"{name}.".startswith("azure.functions.")]
    assert strangers == []


@pytest.mark.parametrize("name", SETTINGS)
def test_a_missing_setting_stops_the_app_and_is_named(name: str) -> None:
    """An operator reads the last line of the log and knows what to do."""
    done = start({key: value for key, value in SETTINGS.items() if key != name})
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"spot_responder.settings.InvalidSettingError: setting {name} is missing: expected ")


@pytest.mark.parametrize(
    ("name", "value"),
    [("RESTARTS_PER_DAY", "many"), ("DRY_RUN", "yes"), ("ARM_ENDPOINT", "http://arm"), ("SWEEP_SCHEDULE", "hourly")],
)
def test_a_senseless_setting_stops_the_app_and_is_named(name: str, value: str) -> None:
    """With its value."""
    done = start(SETTINGS | {name: value})
    assert done.returncode != 0
    assert f"InvalidSettingError: setting {name} is {value!r}: expected " in done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_no_library_logs_its_requests_at_the_operators_cost_and_each_may_warn(level: str) -> None:
    """In Microsoft's worker, after a message: our own lines leave from INFO on, and all others' from WARNING on."""
    nowhere = {
        **dict.fromkeys(SETTINGS, "https://127.0.0.1:1/account"),
        "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
    }
    inherited = {key: value for key, value in os.environ.items() if key not in OURS}
    command = [sys.executable, "-c", IN_THE_WORKER, level]
    done = subprocess.run(  # noqa: S603 - our own interpreter
        command, env=inherited | nowhere, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    loggers, sent = set(told["loggers"]), {(name, level) for name, level in told["sent"]}
    assert loggers > {
        "azure.core.pipeline.policies.http_logging_policy",
        "azure.identity.aio._credentials.chained",
        "azure.functions",
        "msal.application",
        "aiohttp.client",
        "asyncio",
    }
    ours = {("spot_responder", "INFO")}
    assert sent == ours | {(name, level) for name in loggers for level in ("WARNING", "ERROR")}
