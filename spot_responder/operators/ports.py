"""The further ports to Azure that only an operator's look goes through, as the commands and the page want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from spot_responder.decisions.pools import Pool
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.vms import VmId
    from spot_responder.operators.views.dead_letters import DeadLetter, Place, QueueCounts
    from spot_responder.operators.views.status import Coverage
    from spot_responder.responder.ports import Ports


COMPUTE_API: Final = "2024-07-01"
"""The version of Compute's API that an operator's own requests name."""


class Records(Protocol):
    """The tables, to be read as a whole."""

    async def all_pools(self) -> Sequence[Pool]:
        """Load every pool's gate."""

    async def closed_between(self, first: date, last: date) -> Sequence[Recovery]:
        """Load the recoveries that were closed on these days (UTC), both included."""


class Finder(Protocol):
    """Resource Graph, asked for VMs that nothing was told about."""

    async def named(self, name: str) -> Sequence[VmId]:
        """Give the VMs of this name, in any casing."""

    async def spot_vms(self) -> Sequence[VmId]:
        """Give all Spot VMs that the login may see."""

    async def coverage(self, restart_tag: str) -> Coverage:
        """Count the Spot VMs that the login may see: covered, and not. Raises ``AzureRefusedError``."""


class DeadLetters(Protocol):
    """What could not be handled: the poison queue and Event Grid's dead letters."""

    async def counts(self) -> QueueCounts:
        """Count what lies in each place, as far as it can be seen."""

    async def dead_letters(self, place: Place) -> Sequence[DeadLetter]:
        """Read what is to be seen of a place, oldest first: not all of it, where there is much.

        Raises:
            CouldNotLookError: if the place cannot be looked into.
        """

    async def requeue(self, dead_letter: DeadLetter) -> bool:
        """Put its event on the queue ``signals`` and remove it from its place; ``False`` if it is not there."""

    async def drop(self, dead_letter: DeadLetter) -> bool:
        """Remove it; ``False`` if it is not there."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks: a name as people know it, and the object id by which Azure does; ``""`` where the token is mute."""

    name: str
    object_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What ARM answered, and what its clock said then."""

    body: Mapping[str, object]
    at: datetime | None


class ResourceManager(Protocol):
    """Azure Resource Manager, for what is not a VM, and for what a drill and a check of rights ask."""

    async def login(self) -> Login:
        """Say as whom we are logged in. Raises ``CouldNotLookError`` where nobody is."""

    async def listed(self, path: str, api_version: str) -> Sequence[Mapping[str, object]]:
        """Give all that a list at a path holds, page after page. Raises ``AzureRefusedError``."""

    async def ask(self, method: str, path: str, api_version: str) -> Answer:
        """Ask for what is at a path, or for an action. Raises ``AzureRefusedError``."""


@dataclass(frozen=True, slots=True)
class OperatorPorts:
    """The app's ports, and the operator's beside them."""

    app: Ports
    records: Records
    finder: Finder
    dead_letters: DeadLetters
    resource_manager: ResourceManager


class CouldNotLookError(Exception):
    """Storage or identity did not let an operator look: what was found, and what to do about it.

    ``is_wrong``: what was asked is not there, or does not answer. Otherwise the login may not look, or nobody told it
    where, which says nothing of what was to be looked at.
    """

    def __init__(self, what: str, mend: str, *, is_wrong: bool = True) -> None:
        """Say it in one line."""
        super().__init__(f"{what}: {mend}")
        self.what, self.mend, self.is_wrong = what, mend, is_wrong
