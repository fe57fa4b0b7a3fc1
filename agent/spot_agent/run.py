"""``run``: puts the agent together with its edges, and lets it hear until it has ended.

Threads: this one decides; others ask the metadata service, run hooks, tell Azure and answer probes. Each gives what it
hears to the inbox. SIGTERM, SIGINT and SIGHUP are heard like anything else.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable, Final

from spot_agent.agent import Agent, Edges, Hooks
from spot_agent.agent import Units as UnitsEdge
from spot_agent.deciding import step
from spot_agent.deciding.heard import StopAsked, TimePassed
from spot_agent.deciding.memory import Settings
from spot_agent.edges import clock
from spot_agent.edges.azure import AzureEdge, TokenKeeper
from spot_agent.edges.disk import StateFolder
from spot_agent.edges.health import HealthServer
from spot_agent.edges.hooks import HookRunner, running_folder
from spot_agent.edges.leftovers import end_leftovers
from spot_agent.edges.polling import Poller
from spot_agent.edges.units import Units, has_systemd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spot_agent.configuration import Configuration
    from spot_agent.deciding.actions import Record
    from spot_agent.deciding.heard import Heard
    from spot_agent.deciding.memory import Memory
    from spot_agent.deciding.state import State
    from spot_agent.edges.disk import Found
    from spot_agent.edges.metadata import Metadata

READY: Final = "READY=1"
WATCHDOG: Final = "WATCHDOG=1"
ALIVE_EVERY_S: Final = 10.0
_AFTER_A_MISTAKE_S: Final = 1.0
_CLOCK: Final = clock.SystemClock()


@dataclass(frozen=True)
class Executor:
    """Who runs hooks and stops units. ``end_leftovers`` ends hooks of an agent that was killed, and counts them."""

    hooks: Hooks
    units: UnitsEdge
    end_leftovers: Callable[[], int]


def this_process(configuration: Configuration, hear: Callable[[Heard], None]) -> Executor:
    """Let the agent do it itself."""
    return Executor(
        HookRunner(configuration.hooks, configuration.state, configuration.hook_settings, hear),
        Units(configuration.units, hear),
        lambda: end_leftovers(running_folder(configuration.state)),
    )


@dataclass(frozen=True)
class Outside:
    """What ``run`` is given besides the configuration. ``record``, ``say`` and ``notify`` must hold nobody up.

    ``is_end``: whether the signal of this number, which has just come, means that the agent is to end; asked for each.
    ``executor`` makes who runs hooks and stops units. ``notify`` is told ``READY``, and ``WATCHDOG`` each few seconds
    as long as the agent decides and asks.
    """

    metadata: Metadata
    record: Callable[[Record], None]
    say: Callable[[str], None]
    is_end: Callable[[int], bool] = lambda _number: True
    executor: Callable[[Configuration, Callable[[Heard], None]], Executor] = this_process
    notify: Callable[[str], None] = lambda _state: None


def run(configuration: Configuration, outside: Outside) -> None:
    """Run until SIGTERM, SIGINT or SIGHUP. Raises ``OSError`` or ``StateInUseError`` if it cannot begin."""
    # Its put() may be interrupted by a signal whose handler calls it too.
    inbox: queue.SimpleQueue[Heard] = queue.SimpleQueue()
    disk = _Disk(StateFolder(configuration.state, outside.say), outside.record)
    health = _health(configuration, outside.say)
    tokens = TokenKeeper(outside.metadata, configuration.client_id, outside.say)
    executor = outside.executor(configuration, inbox.put)
    edges = Edges(
        _CLOCK,
        _Front(health),
        disk,
        executor.hooks,
        executor.units,
        AzureEdge(outside.metadata, configuration.queue, tokens.current, inbox.put),
    )
    poller = Poller(outside.metadata, inbox.put, outside.say)
    threads = [poller.ask_patiently, poller.ask_quickly, poller.ask_who_we_are]
    agent = _begin(configuration, disk.folder, edges, executor.end_leftovers, outside.say)

    def live() -> None:
        if poller.is_asking(_CLOCK.now().monotonic):
            outside.notify(WATCHDOG)
        facts = {"last_answer_at": poller.last_answer_at, "health_port": health and health.port}
        disk.folder.still_alive(_CLOCK.now().wall, {**facts, **_facts(agent)})

    has_ended = threading.Event()
    with _heard_signals(inbox, outside.is_end):
        agent.hear(TimePassed())
        for work in [*threads, tokens.keep] if configuration.queue else threads:
            threading.Thread(target=_keep_at, args=(work, has_ended, outside.say), daemon=True).start()
        outside.say("watching for events")
        outside.notify(READY)
        _hear_until_ended(agent, inbox, live, lambda: _shown(agent, poller), outside.say)
    has_ended.set()
    if health:
        health.end()


class _Disk:
    """The state folder, and standard output for the history."""

    def __init__(self, folder: StateFolder, record: Callable[[Record], None]) -> None:
        self.folder, self._record = folder, record

    def save(self, state: State) -> bool:
        return self.folder.save(state)

    def record(self, line: Record) -> None:
        self.folder.record(line)
        self._record(line)

    def end(self) -> None:
        self.folder.end()


class _Front:
    """The health endpoint, where there is one, and ``sync``."""

    def __init__(self, health: HealthServer | None) -> None:
        self._health = health

    def is_ready(self, ready: bool) -> None:  # noqa: FBT001 - the one thing that it says
        if self._health:
            self._health.is_ready(ready)

    def flush(self) -> None:
        threading.Thread(target=os.sync, daemon=True).start()


def _health(configuration: Configuration, say: Callable[[str], None]) -> HealthServer | None:
    if configuration.health_port is None:
        return None
    try:
        server = HealthServer(configuration.health_port)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"health port {configuration.health_port}") from error
    say(f"health: http://0.0.0.0:{server.port}/health")
    return server


def _begin(
    configuration: Configuration,
    folder: StateFolder,
    edges: Edges,
    end_left: Callable[[], int],
    say: Callable[[str], None],
) -> Agent:
    found = folder.begin()
    if count := end_left():
        say(f"{count} hooks of an agent that was killed still ran: they are ended, and run again")
    if configuration.units and not has_systemd():
        say(f"there is no systemd here: {', '.join(configuration.units)} will be neither stopped nor started")
    settings = Settings(has_units=bool(configuration.units) and has_systemd(), has_queue=bool(configuration.queue))
    try:
        memory = _memory(found, settings)
        step.step(memory, TimePassed(), _CLOCK.now())  # tried out: it would fail just so when it matters
    except Exception as error:  # noqa: BLE001 - whatever stands in the file, the next eviction is to be seen
        say(f"the state of the run before cannot be used: {error!r}. The work is recovered once")
        memory = _memory(replace(found, previous=None, is_state_lost=True), settings)
    return Agent(memory, edges, say)


def _memory(found: Found, settings: Settings) -> Memory:
    return step.begin(
        found.previous,
        settings,
        _CLOCK.now(),
        boot_id=clock.boot_id(),
        run_id=str(uuid.uuid4()),
        booted_at=clock.booted_at(),
        alive_at=found.alive_at,
        was_clean=found.was_clean,
        is_state_lost=found.is_state_lost,
    )


def _facts(agent: Agent) -> dict[str, Any]:
    """Say of this process what ``status`` shows."""
    return {"pid": os.getpid(), "boot_id": agent.memory.state.boot_id, "is_ready": step.is_ready(agent.memory)}


def _shown(agent: Agent, poller: Poller) -> tuple[bool, bool]:
    """Give what ``status`` must not say some seconds late: whether work is taken, and whether Azure is heard."""
    return step.is_ready(agent.memory), poller.last_answer_at is not None


def _keep_at(work: Callable[[threading.Event], None], has_ended: threading.Event, say: Callable[[str], None]) -> None:
    """Do work until the agent ends. A mistake of ours must not blind it: it is said, and the work is begun again."""
    while not has_ended.wait(0.0):
        try:
            work(has_ended)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next eviction is to be seen
            say(f"a mistake in the agent, {work.__name__} goes on: {error!r}")
            has_ended.wait(_AFTER_A_MISTAKE_S)


def _hear_until_ended(
    agent: Agent,
    inbox: queue.SimpleQueue[Heard],
    live: Callable[[], None],
    shown: Callable[[], object],
    say: Callable[[str], None],
) -> None:
    """Hear what comes and what is due; say each few seconds that we live, and when what is shown has changed."""
    live_at = float("-inf")
    was_shown = shown()
    while not agent.has_ended:
        now = _CLOCK.now().monotonic
        if now >= live_at or shown() != was_shown:
            was_shown = shown()
            live()
            live_at = now + ALIVE_EVERY_S
        due = agent.next_at()
        wait_s = min(live_at, live_at if due is None else due) - now
        try:
            heard = inbox.get(timeout=max(wait_s, 0.0))
        except queue.Empty:
            heard = TimePassed()
        try:
            agent.hear(heard)
        except Exception as error:  # noqa: BLE001 - as in _keep_at; what is known stays as it was
            say(f"a mistake in the agent, {type(heard).__name__} is passed over: {error!r}")
    live()


@contextmanager
def _heard_signals(inbox: queue.SimpleQueue[Heard], is_end: Callable[[int], bool]) -> Iterator[None]:
    """Hear SIGTERM and SIGINT as a wish to end, and SIGHUP unless we were begun by ``nohup``."""
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)

    def hear(number: int, _frame: object) -> None:
        if is_end(number):
            inbox.put(StopAsked())

    before = {number: signal.signal(number, hear) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
