"""What a trial asks of the outside: Azure, a witness queue, and storage. Implemented in ``clients/trials``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spot_responder.operators.ports import Login
    from spot_responder.trial.views.observations import Answered, Arrived


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a queue that was received."""

    message_id: str
    receipt: str


class Storage(Protocol):
    """The trial's own storage account. Every request gives its answer, whatever its status."""

    async def drain(self, queue: str) -> tuple[Answered, Sequence[Arrived]]:
        """Take up to 32 messages off a queue, as they lie there."""

    async def put(self, queue: str, *, hidden_s: int = 0, lives_s: int) -> Answered:
        """Put a message on a queue. ``lives_s`` -1: without an end."""

    async def receive(self, queue: str, *, hidden_s: int) -> tuple[Answered, Message | None]:
        """Receive one message; the answer's body is ``"seen"`` where there was one."""

    async def update(self, queue: str, message: Message, *, hidden_s: int) -> tuple[Answered, Message]:
        """Set a new visibility timeout; give the message with its new receipt."""

    async def delete(self, queue: str, message: Message) -> Answered:
        """Delete a message by its receipt."""

    async def count(self, queue: str) -> Answered:
        """Give the approximate number of messages, as the answer's body."""

    async def create_blob(self, container: str, name: str, text: str, *, md5: bytes | None = None) -> Answered:
        """Write a blob that must not be there yet. ``md5``: what the content is said to have, right or wrong."""

    async def read_blob(self, container: str, name: str) -> Answered:
        """Read a blob, as the answer's body."""


class Azure(Protocol):
    """ARM and Resource Graph. Every request gives its answer, also a refusal and silence."""

    @property
    def endpoint(self) -> str:
        """ARM's address."""

    async def login(self) -> Login:
        """Give the login. Raises ``CouldNotLookError`` where there is none."""

    async def ask(
        self,
        method: str,
        path: str,
        api_version: str,
        body: Mapping[str, object] | None = None,
        *,
        if_match: str = "",
    ) -> Answered:
        """Send a request to ARM. ``if_match``: the ETag that the resource is to have still."""

    async def follow(self, address: str) -> Answered:
        """Ask at an address that ARM gave; one elsewhere is not asked, since a token goes with the request."""

    async def price_pages(self, location: str, size: str) -> list[Answered]:
        """Ask the public price list about a size: all its pages, without a token."""

    async def prices_after(self, location: str, size: str, rows: int) -> Answered:
        """Ask the price list for what it has about a size after so many rows."""

    async def serial_log(self, vm: str) -> Answered:
        """Read what a VM printed to its serial console, as the answer's body."""

    async def query(self, subscription: str, kql: str) -> Answered:
        """Ask Resource Graph about one subscription."""

    async def named_query(self, subscription: str, name: str, **parameters: str | list[str]) -> Answered:
        """Ask Resource Graph with a file of ``queries/``, as the app does."""

    def storage(self, endpoints: Mapping[str, str]) -> Storage:
        """Open a storage account by its endpoints ``queue`` and ``blob``."""

    def custom_data(self) -> str:
        """Give the custom data by which a VM has a listener, in base64."""

    def public_key(self) -> str:
        """Give the public half of a new SSH key, whose other half nobody has."""
