"""The login of the app or of an operator: it gives tokens, and where it gives none, says so in words that are ours.

An SDK that gets no token sends nothing. Yet what it raises then may look like an answer of the service that was to be
asked, or like its silence: the identity endpoint answers 400, is out, or its connection breaks.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from azure.core.credentials import AccessTokenInfo
from azure.core.exceptions import AzureError, ClientAuthenticationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from azure.core.credentials import AccessToken, TokenRequestOptions
    from azure.core.credentials_async import AsyncTokenCredential

_ADVICE: Final = re.compile(
    r"\s*(To mitigate this issue|See the troubleshooting guide|(Please )?visit)\b[^\n]*?https://\S+"
    r"( to troubleshoot this issue\.)?",
    re.IGNORECASE,
)
"""Where to read on, which says nothing of the cause."""

_ATTEMPT: Final = re.compile(r"\n\t(?=\w+(?:: |$))", re.MULTILINE)
"""Between the credentials that were tried, one after the other."""

_REPEATED: Final = re.compile(r"^(\w+): \1( authentication unavailable[.,])? ")
"""A credential's name, and then once more."""

_NOT_SET_UP: Final = re.compile(
    r"not fully configured|configuration not found|no accounts were found|broker' package|not found on path"
    r"|is not installed|could not be found|is not supported",
    re.IGNORECASE,
)
"""What a credential says that nobody meant to use."""


class NoTokenError(ClientAuthenticationError):
    """There is no token: nothing was sent. ``message`` is what the credential said."""


@dataclass(frozen=True, slots=True)
class Login:
    """A credential, as Azure's SDKs take one, that raises ``NoTokenError`` whatever keeps it from giving a token."""

    credential: AsyncTokenCredential

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - the SDK's own
        """Give a token."""
        with _named():
            return await self.credential.get_token(*scopes, **options)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Give a token that says when it is to be renewed, where the credential tells."""
        with _named():
            if hasattr(self.credential, "get_token_info"):
                info: AccessTokenInfo = await self.credential.get_token_info(*scopes, options=options)
                return info
            token = await self.credential.get_token(*scopes, **(options or {}))
            return AccessTokenInfo(token.token, token.expires_on)

    async def close(self) -> None:
        """Close its connections."""
        await self.credential.close()

    async def __aenter__(self) -> Self:
        """Open its connections."""
        await self.credential.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Close its connections."""
        await self.credential.__aexit__(kind, error, trace)


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except (AzureError, OSError, ValueError) as error:
        raise NoTokenError(getattr(error, "message", "") or str(error) or repr(error)) from error


def is_for_want_of_a_token(error: AzureError) -> bool:
    """Whether nothing was sent, since there was no token to send with it.

    Of a service, the SDKs raise a ``ClientAuthenticationError`` for its 401 or 403 only; all else of that name is the
    login's own.
    """
    if not isinstance(error, ClientAuthenticationError):
        return False
    asked = str(getattr(getattr(error.response, "request", None), "url", ""))
    return error.response is None or error.status_code not in _OF_A_SERVICE or "/oauth2/" in asked


_OF_A_SERVICE: Final = frozenset({401, 403})


def cause_of(message: str) -> str:
    """Give why there is no token, from what a credential says at length.

    ``DefaultAzureCredential`` tells of each credential that it tried, most of which nobody meant to use; what matters
    is in the middle or at the end.
    """
    _, found, attempts = message.partition("Attempted credentials:")
    if not found:
        return _ADVICE.sub("", message).strip()
    told = [_REPEATED.sub(r"\1: ", _ADVICE.sub("", attempt).strip()) for attempt in _ATTEMPT.split(attempts)]
    telling = [attempt for attempt in told if attempt and not _NOT_SET_UP.search(attempt)]
    return "; ".join(telling or [attempt.partition(". ")[0] for attempt in told if attempt])
