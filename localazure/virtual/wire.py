"""The wire between one app instance and Azure: every request takes time, may fail, or be the instance's last."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from http import HTTPStatus
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, Protocol

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from localazure.virtual.answers import Answer, sdk_error
from localazure.world.azure_errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    type Hook = Callable[[Any], None]

TIMEOUT_S: Final = 30.0
"""How long a client waits for an answer that does not come (``clients/connections.py``)."""


class RequestKind(Enum):
    """What a request is for."""

    GRAPH = auto()
    VM_READ = auto()
    VM_START = auto()
    VM_RESIZE = auto()
    OFFERINGS = auto()
    OPERATION_READ = auto()
    ROW_READ = auto()
    ROW_WRITE = auto()
    QUEUE_PUT = auto()
    OUTCOME = auto()
    WORK_READ = auto()


class Death(Enum):
    """When the process dies: with the request not yet sent, or with its answer unread."""

    BEFORE = auto()
    AFTER = auto()


@dataclass(frozen=True, slots=True)
class Fate:
    """How one request fares.

    ``arrives`` false: it is lost; ``is_answered`` false: done, but nobody is told; ``has_token`` false: it is not sent.
    """

    seconds: float = 0.05
    arrives: bool = True
    is_answered: bool = True
    refusal: Refused | None = None
    death: Death | None = None
    has_token: bool = True

    @property
    def reaches_azure(self) -> bool:
        """Whether Azure does what it asks for, whoever hears of that."""
        return self.arrives and self.has_token and self.refusal is None and self.death is not Death.BEFORE


SMOOTH: Final = Fate()


class FaultPlan(Protocol):
    """Decides how requests fare, and how much of the truth their answers show."""

    def of(self, request_kind: RequestKind, target: str) -> Fate:
        """Say how the next request of this kind fares.

        ``target`` is what it is about: a VM's id, or a table and a row in it (``recoveries/rg|name``).
        """

    def graph_lag(self) -> timedelta:
        """Say how old Resource Graph's next answer is."""

    def hides_row(self, vm_id: str) -> bool:
        """Whether Resource Graph's next answer lacks this VM."""

    def hides_power_state(self, vm_id: str) -> bool:
        """Whether ARM's next answer lacks this VM's power state."""


class NoFaults:
    """Nothing goes wrong, and every answer is the truth of the moment."""

    def of(self, _request_kind: RequestKind, _target: str) -> Fate:
        """Let the request through."""
        return SMOOTH

    def graph_lag(self) -> timedelta:
        """Be up to date."""
        return timedelta()

    def hides_row(self, _vm_id: str) -> bool:
        """Show it."""
        return False

    def hides_power_state(self, _vm_id: str) -> bool:
        """Show it."""
        return False


@dataclass(frozen=True, slots=True)
class Wire:
    """Carries the requests of one app instance. ``settle`` lets the world catch up, ``die`` ends the instance."""

    fault_plan: FaultPlan
    settle: Callable[[], None]
    die: Callable[[], None]

    async def send[T](self, request_kind: RequestKind, target: str, effect: Callable[[], T]) -> T:
        """Carry one request to where ``effect`` answers it.

        Raises:
            ServiceRequestError, ServiceResponseError: as the SDKs where nothing is heard.
            ClientAuthenticationError: as they where there is no token.
            HttpResponseError: where Azure refuses.
        """
        fate = self.fault_plan.of(request_kind, target)
        await asyncio.sleep(fate.seconds)
        if fate.death is Death.BEFORE:
            await self._end()
        if not fate.has_token:
            message = "ManagedIdentityCredential authentication unavailable, no response from the IMDS endpoint."
            raise ClientAuthenticationError(message)
        if not fate.arrives:
            await asyncio.sleep(TIMEOUT_S)
            message = "the request got no connection"
            raise ServiceRequestError(message)
        if fate.refusal is not None:
            raise sdk_error(fate.refusal)
        self.settle()
        try:
            result = effect()
        except Refused as refused:
            raise sdk_error(refused) from refused
        finally:
            self.settle()
        if fate.death is Death.AFTER:
            await self._end()
        if not fate.is_answered:
            await asyncio.sleep(TIMEOUT_S)
            message = "no answer came"
            raise ServiceResponseError(message)
        return result

    async def heard[T](
        self, request_kind: RequestKind, target: str, effect: Callable[[], tuple[T, Mapping[str, str]]], hook: Hook
    ) -> T:
        """Carry a request whose answer, good or bad, the SDK shows to a ``raw_response_hook`` before anything else.

        ``effect`` gives the result and the answer's headers.
        """
        try:
            result, headers = await self.send(request_kind, target, effect)
        except HttpResponseError as error:
            if error.response is not None:
                hook(SimpleNamespace(http_response=error.response))
            raise
        hook(SimpleNamespace(http_response=Answer(HTTPStatus.OK, None, headers)))
        return result

    async def _end(self) -> None:
        self.die()
        await asyncio.sleep(TIMEOUT_S)
