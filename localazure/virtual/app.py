"""The app in virtual time: its instances, the queue that they empty, and the timer of the sweep.

The instances run the product's own responder; ``ports.py`` opens its ports. Messages are handled as in
``functions/queue_listener.py``. Started by ``azure.py``.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from localazure.functions.queue_listener import LEASE
from localazure.virtual.compute import ARM
from localazure.virtual.ports import open_ports
from localazure.virtual.storage import Message, Storage
from localazure.virtual.wire import Wire
from localazure.virtual.work import VirtualWorkQueue
from spot_responder.intake.signals import Inbox
from spot_responder.responder.pool_gates import Gates
from spot_responder.responder.responder import Responder
from spot_responder.responder.sizes.offerings import offered
from spot_responder.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from random import Random

    from localazure.resource_manager.limits import Limits
    from localazure.virtual.clock import VirtualClock
    from localazure.virtual.wire import FaultPlan
    from localazure.world.happenings import Happening
    from localazure.world.world import World
    from spot_responder.decisions.policy import Policy
    from spot_responder.demand.work_queues import WorkQueue
    from spot_responder.responder.ports import Ports

POISON_AT: Final = 5
"""``maxDequeueCount`` of ``host.json``."""

TRY_AGAIN: Final = timedelta(seconds=30)
"""``visibilityTimeout`` of ``host.json``: when a message whose function failed comes back."""

ROOM: Final = 80
"""``batchSize`` and ``newBatchThreshold`` of ``host.json`` together: so many messages are worked on at once."""

POLLING: Final = timedelta(seconds=1)
"""``maxPollingInterval`` of ``host.json``: a message that can be seen may wait so long."""

_RUNS_IN: Final[ContextVar[Instance]] = ContextVar("the instance that a task runs in")


class EarlierTriesDiedError(Exception):
    """Each process that tried a message died over it: the host does not try once more."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """How the app is set up: so many instances, each with room for so many messages at once; its clocks' errors."""

    policy: Policy
    instances: int = 1
    room: int = ROOM
    sweep_every: timedelta = timedelta(minutes=15)
    polling: timedelta = POLLING
    dry_run: bool = False
    clock_errors: tuple[timedelta, ...] = ()
    work_queues: tuple[WorkQueue, ...] = ()


class App:
    """The app and its host. ``done`` is called for each message that was answered, ``failed`` for each that was not."""

    def __init__(  # noqa: PLR0913 - what an app stands on
        self,
        world: World,
        clock: VirtualClock,
        deployment: Deployment,
        fault_plan: FaultPlan,
        *,
        chance: Random,
        limits: Limits | None = None,
    ) -> None:
        """Deploy the app; nothing runs yet but its timer."""
        self.storage = Storage()
        self.work_queues = {queue.name: VirtualWorkQueue(clock.now) for queue in deployment.work_queues}
        self.done: Callable[[Message], None] = lambda _: None
        self.failed: Callable[[Message | None, Exception], None] = lambda _message, _error: None
        self.handled = 0
        self._ids = 0
        self._world, self._clock, self._deployment = world, clock, deployment
        self._fault_plan, self._chance, self._limits = fault_plan, chance, limits
        self._waiting: list[Message] = []
        self._hidden: set[Message] = set()
        self._instances = [Instance(self, number) for number in range(deployment.instances)]
        clock.call_after(deployment.sweep_every, self._timer_fires)

    @property
    def messages(self) -> list[Message]:
        """All that is on the queue and not being worked on."""
        return [*self._waiting, *self._hidden]

    @property
    def settings(self) -> Settings:
        """Give what the deployment sets."""
        return Settings(
            queue_endpoint="https://queue",
            table_endpoint="https://table",
            arm_endpoint=ARM,
            outcomes_endpoint="https://topic",
            dry_run=self._deployment.dry_run,
            policy=replace(
                self._deployment.policy, work_queues=frozenset(queue.name for queue in self._deployment.work_queues)
            ),
            work_queues=self._deployment.work_queues,
        )

    def put(
        self, body: str | bytes, delay: timedelta, tells: Happening | None = None, inbox: Inbox = Inbox.SIGNALS
    ) -> None:
        """Take a message for a queue."""
        self._hide(Message(body, tells, inbox), delay)

    def wake(self, body: str, delay: timedelta = timedelta()) -> None:
        """Take a message for the queue of wakes."""
        self._hide(Message(body, is_wake=True), delay)

    def kill_one(self) -> None:
        """End an instance in the middle of whatever it does; the platform starts another within seconds."""
        self._chance.choice(self._instances).die()

    def sweep(self) -> None:
        """Sweep in one of the instances that are alive, if any is."""
        alive = [instance for instance in self._instances if instance.alive]
        if alive:
            instance = self._chance.choice(alive)
            instance.tasks[self._clock.spawn(self._sweep_once(instance))] = None

    def clear_messages(self) -> None:
        """Lose all that is on the queue, as Azure's "Clear Messages" does."""
        self._waiting.clear()
        self._hidden.clear()

    def redeploy(self, deployment: Deployment) -> None:
        """Set the app up anew: its instances end, and others start; their number stays."""
        self._deployment = deployment
        for instance in self._instances:
            instance.die()

    def ports(self, die: Callable[[], None]) -> Ports:
        """Open the ports for one process; ``die`` ends it."""
        return open_ports(self, self._world, Wire(self._fault_plan, self._clock.settle, die), self._limits)

    def responder(self, instance: Instance) -> Responder:
        """Put the product together, for one instance."""
        clock, errors = self._clock, self._deployment.clock_errors
        error = errors[instance.number % len(errors)] if errors else timedelta()
        ports = self.ports(instance.die)

        def now() -> datetime:
            return clock.now() + error

        prices, offerings = offered(ports, now)
        return Responder(
            ports=ports,
            gates=Gates(ports.store),
            settings=self.settings,
            clock=now,
            jitter=self._chance.random,
            new_id=self._new_id,
            prices=prices,
            offerings=offerings,
        )

    def wait_for_lease(self, message: Message) -> None:
        """Show a message again when the lease ends of a process that died over it: nobody gives it back."""
        self._hide(message, LEASE * self._chance.uniform(0.5, 1))

    def hand_out(self) -> None:
        """Give waiting messages to instances that have room."""
        while self._waiting:
            free = [instance for instance in self._instances if instance.has_room(self._deployment.room)]
            if not free:
                return
            self._chance.choice(free).begin(self._waiting.pop(0))

    def spawn(self, instance: Instance, message: Message) -> asyncio.Task[None]:
        """Work on a message."""
        return self._clock.spawn(self._work(instance, message))

    def end_what_runs_in(self, instance: Instance) -> None:
        """End the tasks that the app's own code began in an instance."""
        for task in self._clock.tasks():
            if task.get_context().get(_RUNS_IN) is instance:
                task.cancel()

    def start_again(self, instance: Instance) -> None:
        """Start an instance anew, a few seconds from now."""

        def start() -> None:
            instance.live()
            self.hand_out()

        self._clock.call_after(timedelta(seconds=self._chance.uniform(1, 20)), start)

    def _new_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids}"

    def _hide(self, message: Message, delay: timedelta) -> None:
        message.visible_at = self._clock.now() + delay
        self._hidden.add(message)

        def show() -> None:
            if message in self._hidden:
                self._hidden.remove(message)
                self._waiting.append(message)
                self.hand_out()

        self._clock.call_after(delay + self._deployment.polling * self._chance.random(), show)

    async def _work(self, instance: Instance, message: Message) -> None:
        _RUNS_IN.set(instance)
        try:
            await self._run_function(instance, message)
        except EarlierTriesDiedError as error:
            self.storage.poison.append((message, error))
        except Exception as error:  # noqa: BLE001 - the host takes whatever a function raises
            self.failed(message, error)
            if message.dequeue_count >= POISON_AT:
                self.storage.poison.append((message, error))
            else:
                self._hide(message, TRY_AGAIN)
        else:
            self.handled += 1
            self.done(message)
        finally:
            instance.tasks.pop(cast("asyncio.Task[None]", asyncio.current_task()), None)
            self._clock.call_after(timedelta(), self.hand_out)

    async def _run_function(self, instance: Instance, message: Message) -> None:
        message.dequeue_count += 1
        if message.dequeue_count > POISON_AT:
            raise EarlierTriesDiedError
        if message.is_wake:
            await instance.responder.wake(message.body)
            return
        await instance.responder.handle(message.body, inbox=message.inbox, delivery=message.dequeue_count)

    def _timer_fires(self) -> None:
        self._clock.call_after(self._deployment.sweep_every, self._timer_fires)
        self.sweep()

    async def _sweep_once(self, instance: Instance) -> None:
        _RUNS_IN.set(instance)
        try:
            await instance.responder.sweep()
        except Exception as error:  # noqa: BLE001 - the host takes whatever a function raises
            self.failed(None, error)
        finally:
            instance.tasks.pop(cast("asyncio.Task[None]", asyncio.current_task()), None)


@dataclass(eq=False)
class Instance:
    """One process of the app.

    Its tasks are kept in the order they began, so that a run can be repeated exactly, each with its message if any.
    """

    app: App
    number: int
    alive: bool = False
    tasks: dict[asyncio.Task[None], Message | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start it."""
        self.live()

    def live(self) -> None:
        """Begin with nothing in memory."""
        self.responder = self.app.responder(self)
        self.alive = True

    def die(self) -> None:
        """End at once, as by SIGKILL."""
        if not self.alive:
            return
        self.alive = False
        tasks, self.tasks = self.tasks, {}
        for task, message in tasks.items():
            task.cancel()
            if message is not None:
                self.app.wait_for_lease(message)
        self.app.end_what_runs_in(self)
        self.app.start_again(self)

    def has_room(self, room: int) -> bool:
        """Whether it takes another message."""
        return self.alive and len(self.tasks) < room

    def begin(self, message: Message) -> None:
        """Work on a message."""
        self.tasks[self.app.spawn(self, message)] = message
