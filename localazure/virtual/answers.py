"""HTTP answers as the SDKs' errors carry them. Made by the doubles."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localazure.world.azure_errors import Refused

# What the SDKs make of a status; any other is a plain HttpResponseError.
_ERRORS: Final[Mapping[int, type[HttpResponseError]]] = {
    404: ResourceNotFoundError,
    409: ResourceExistsError,
    412: ResourceModifiedError,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status_code: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    content_type: str = "application/json"

    def text(self) -> str:
        """Give the body as text."""
        return "" if self.body is None else json.dumps(self.body)

    def json(self) -> object:
        """Give the body as parsed."""
        return self.body


def sdk_error(refused: Refused) -> HttpResponseError:
    """Make the error that an SDK raises for a refusal."""
    answer = Answer(refused.status, refused.body(), dict(refused.headers))
    error = _ERRORS.get(refused.status, HttpResponseError)(message=refused.message)
    # Set, not handed in: azure-core would parse the body once more for a message that nobody reads.
    error.response = answer  # type: ignore[assignment]  # it has what is asked of a response
    error.status_code = refused.status
    error.error_code = refused.code  # type: ignore[attr-defined]  # as azure-data-tables sets it
    return error
