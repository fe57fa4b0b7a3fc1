"""The further ports through which only operators reach Azure, as protocols.

``clients/operator_connections.py`` opens them, for commands and status page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from spot_responder.responder.ports import Arm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from spot_responder.decisions.pools import PoolGate
    from spot_responder.intake.vms import VmId
    from spot_responder.intake.work_queue_names import WorkQueueName
    from spot_responder.operators.views.dead_letters import DeadLetter, Place, QueueCounts
    from spot_responder.operators.views.status import Coverage
    from spot_responder.operators.views.work_figures import JobsDone
    from spot_responder.responder.ports import Ports


class Records(Protocol):
    """The app's tables, to be read as a whole."""

    async def all_pools(self) -> Sequence[PoolGate]:
        """Load every pool's gate."""


class Finder(Protocol):
    """Resource Graph, asked for VMs by name, or for all of them."""

    async def named(self, name: str) -> Sequence[VmId]:
        """Give the VMs of this name, in any casing."""

    async def spot_vms(self) -> Sequence[VmId]:
        """Give all Spot VMs that the login may see."""

    async def coverage(self, restart_tag: str, *, has_work_queues: bool) -> Coverage:
        """Count the Spot VMs that the login may see: covered, for work, and neither. Raises ``AzureRefusedError``."""


class JobResults(Protocol):
    """The tables of results that workers write."""

    async def done_since(self, name: WorkQueueName, since: datetime) -> JobsDone | None:
        """Give the jobs of a work queue that have got their results since then; ``None`` where there is no table.

        Raises:
            AzureRefusedError: if it could not be read.
        """


class DeadLetters(Protocol):
    """What could not be handled: the poison queues and Event Grid's dead letters."""

    async def counts(self) -> QueueCounts:
        """Count what lies in each place, as far as it can be seen."""

    async def dead_letters(self, place: Place) -> Sequence[DeadLetter]:
        """Read the dead letters of a place, oldest first: not all of them, if there are many.

        Raises:
            CouldNotLookError: if the place cannot be looked into.
        """

    async def requeue(self, dead_letter: DeadLetter) -> bool:
        """Put its events on the queue that they came from and remove it; ``False`` if it is not there any more."""

    async def drop(self, dead_letter: DeadLetter) -> bool:
        """Remove it; ``False`` if it is not there."""


@dataclass(frozen=True, slots=True)
class Login:
    """The login: a name that people know, and the object id for Azure; ``""`` where the token does not say."""

    name: str
    object_id: str


class ResourceManager(Arm, Protocol):
    """Azure Resource Manager, for what is not a VM, and for what a drill and a check of rights ask."""

    async def login(self) -> Login:
        """Give the login. Raises ``CouldNotLookError`` where there is none."""


@dataclass(frozen=True, slots=True)
class OperatorPorts:
    """The app's ports, and the further ones of operators."""

    app: Ports
    records: Records
    finder: Finder
    dead_letters: DeadLetters
    resource_manager: ResourceManager
    results: JobResults


class CouldNotLookError(Exception):
    """Storage or identity did not let an operator look: what was found, and what to do about it.

    ``is_wrong``: the resource is missing, or does not answer. Otherwise the login lacks the right, or no setting names
    the place, which says nothing about the resource.
    """

    def __init__(self, what: str, mend: str, *, is_wrong: bool = True) -> None:
        """Keep both, for one line."""
        super().__init__(f"{what}: {mend}")
        self.what, self.mend, self.is_wrong = what, mend, is_wrong
