"""The triggers of an app's functions: reads the bindings, and makes a listener for each. Called by ``host.py``."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from azure.identity.aio import DefaultAzureCredential
from azure.storage.queue.aio import QueueServiceClient

from localazure.functions.host_settings import HostSettingsError, resolved
from localazure.functions.http_trigger import HttpFunction
from localazure.functions.ncrontab import Schedule, ScheduleError
from localazure.functions.queue_listener import QueueListener
from localazure.functions.timers import Timer
from localazure.functions.worker import Invocation, TypedData, invoke

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from contextlib import AsyncExitStack
    from datetime import datetime, timedelta

    from localazure.functions.event_grid_webhook import Push
    from localazure.functions.host_settings import QueueSettings
    from localazure.functions.worker import Function, Ran, RpcException

_RETRIES: Final = 3
_FIRST_RETRY_S: Final = 1
_KINDS: Final = ("queueTrigger", "timerTrigger", "eventGridTrigger", "httpTrigger")
_OUTPUTS: Final = ("http",)

logger = logging.getLogger(__name__)
# What the host asks of the storage is nothing that the app's worker logs.
_REQUESTS: Final = logging.getLogger(f"{__name__}.requests")
_REQUESTS.setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What triggers need of the host. ``settings`` are the app settings; for the clock see ``Timer``.

    ``lease`` is how long a message is kept out of others' sight before that is renewed.
    """

    settings: Mapping[str, str]
    queue_settings: QueueSettings
    now: Callable[[], datetime]
    wait_until: Callable[[datetime], Awaitable[bool]]
    lease: timedelta


@dataclass(frozen=True, slots=True)
class Triggers:
    """The listeners of an app."""

    queues: list[QueueListener] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    event_grid: dict[str, Push] = field(default_factory=dict)
    http: list[HttpFunction] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Trigger:
    """A function and its trigger binding, with the app settings that it names filled in."""

    function: Function
    binding: Mapping[str, Any]

    async def run(
        self, data: TypedData, metadata: Mapping[str, TypedData], failure_level: int = logging.WARNING
    ) -> Ran:
        """Run the function, and tell in one line how it ended."""
        began = time.monotonic()
        ran = await invoke(self.function, Invocation(self.binding["name"], data, metadata))
        took = time.monotonic() - began
        if ran.error is None:
            logger.info("%s succeeded in %.3f s", self.function.name, took)
        else:
            logger.log(failure_level, "%s failed in %.3f s: %s", self.function.name, took, ran.error.told())
        return ran

    async def push(self, data: TypedData) -> RpcException | None:
        """Run the function for an event or a timer."""
        return (await self.run(data, {})).error

    async def answer(self, data: TypedData) -> Ran:
        """Run the function for a request."""
        return await self.run(data, {})

    async def try_message(self, data: TypedData, metadata: Mapping[str, TypedData]) -> RpcException | None:
        """Run the function for a queue message, which is tried again; the listener warns when it gives up."""
        return (await self.run(data, metadata, failure_level=logging.INFO)).error


async def make_triggers(functions: Iterable[Function], given: Surroundings, stack: AsyncExitStack) -> Triggers:
    """Make the listeners of all functions; ``stack`` closes what they open.

    Raises:
        HostSettingsError: naming the function and what its trigger lacks.
    """
    triggers = Triggers()
    for trigger in [_trigger(function, given.settings) for function in functions]:
        match trigger.binding["type"]:
            case "queueTrigger":
                triggers.queues.append(await _queue_listener(trigger, given, stack))
            case "timerTrigger":
                triggers.timers.append(_timer(trigger, given))
            case "httpTrigger":
                triggers.http.append(_http_function(trigger))
            case _:
                triggers.event_grid[trigger.function.name] = trigger.push
    return triggers


def _trigger(function: Function, settings: Mapping[str, str]) -> _Trigger:
    for binding in function.bindings:
        if binding["type"] not in (*_KINDS, *_OUTPUTS):
            message = f"function {function.name} has a binding {binding['type']}; this host knows {', '.join(_KINDS)}"
            raise HostSettingsError(message)
    binding = next(each for each in function.bindings if each["type"] in _KINDS)
    where = f"the {binding['type']} of function {function.name}"
    filled = {
        key: resolved(value, settings, where) if isinstance(value, str) else value for key, value in binding.items()
    }
    return _Trigger(function, filled)


def _http_function(trigger: _Trigger) -> HttpFunction:
    route = trigger.binding.get("route") or trigger.function.name
    needs_key = str(trigger.binding.get("authLevel", "function")).lower() != "anonymous"
    return HttpFunction(route, tuple(trigger.binding.get("methods") or ("GET", "POST")), needs_key, trigger.answer)


def _timer(trigger: _Trigger, given: Surroundings) -> Timer:
    try:
        schedule = Schedule.parse(trigger.binding["schedule"])
    except ScheduleError as error:
        message = f"the schedule of function {trigger.function.name}: {error}"
        raise HostSettingsError(message) from error
    if trigger.binding.get("runOnStartup"):
        message = f"function {trigger.function.name} asks for runOnStartup, which this host does not do"
        raise HostSettingsError(message)
    return Timer(schedule, trigger.push, given.now, given.wait_until)


async def _queue_listener(trigger: _Trigger, given: Surroundings, stack: AsyncExitStack) -> QueueListener:
    connection = trigger.binding["connection"]
    uri_setting = f"{connection}__queueServiceUri"
    uri = given.settings.get(uri_setting)
    if not uri:
        message = f"the app setting {uri_setting} is not set; function {trigger.function.name} listens there"
        raise HostSettingsError(message)
    client_id = given.settings.get(f"{connection}__clientId")
    credential = await stack.enter_async_context(DefaultAzureCredential(managed_identity_client_id=client_id))
    service = await stack.enter_async_context(
        QueueServiceClient(
            uri, credential, retry_total=_RETRIES, initial_backoff=_FIRST_RETRY_S, increment_base=2, logger=_REQUESTS
        )
    )
    name = trigger.binding["queueName"]
    return QueueListener(
        service.get_queue_client(name),
        service.get_queue_client(f"{name}-poison"),
        given.queue_settings,
        trigger.try_message,
        given.lease,
    )
