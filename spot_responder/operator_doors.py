"""The further doors to Azure that only an operator's look goes through, as the commands and the page want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from spot_responder.doors import Clients
    from spot_responder.letters import Letter, Place
    from spot_responder.overviews import QueueCounts
    from spot_responder.pools import Pool
    from spot_responder.recoveries import Recovery
    from spot_responder.vms import VmId


class Records(Protocol):
    """The tables, to be read as a whole."""

    async def all_pools(self) -> Sequence[Pool]:
        """Load every pool's gate."""

    async def history(self, first: date, last: date) -> Sequence[Recovery]:
        """Load the recoveries that were closed on these days (UTC), both included."""


class Finder(Protocol):
    """Resource Graph, asked for VMs that nothing was told about."""

    async def named(self, name: str) -> Sequence[VmId]:
        """Give the VMs of this name, in any casing."""

    async def spot_vms(self) -> Sequence[VmId]:
        """Give all Spot VMs that the login may see."""


class Letters(Protocol):
    """What could not be handled: the poison queue and Event Grid's dead letters."""

    async def counts(self) -> QueueCounts:
        """Count the messages of each place."""

    async def letters(self, place: Place) -> Sequence[Letter]:
        """Read what lies in a place, oldest first; of the poison queue, what is to be seen at its front."""

    async def put_back(self, letter: Letter) -> bool:
        """Put its event on the queue ``signals`` and remove it from its place; ``False`` if it is not there."""

    async def drop(self, letter: Letter) -> bool:
        """Remove it; ``False`` if it is not there."""


class Management(Protocol):
    """Azure Resource Manager, for what is not a VM, and for what a drill and a check of rights ask."""

    async def get(self, path: str, api_version: str) -> Mapping[str, object]:
        """Give what is at a path. Raises ``AzureRefusedError``."""

    async def post(self, path: str, api_version: str) -> None:
        """Ask for an action. Raises ``AzureRefusedError``."""


@dataclass(frozen=True, slots=True)
class OperatorDoors:
    """The app's doors, and the operator's beside them."""

    clients: Clients
    records: Records
    finder: Finder
    letters: Letters
    management: Management
