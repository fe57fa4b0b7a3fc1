"""The login of the app or of an operator: it gives tokens, and explains in one sentence why it gives none.

An SDK without a token sends nothing. But the error that it raises may look like an answer of the service that was to be
asked, or like its silence: the identity endpoint answers 400, is down, or its connection breaks. ``connections.py``
hands a ``Login`` to the SDKs; ``sdk_errors.py`` reads its errors.
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
"""The part of a credential's message that says where to read on, and nothing about the cause."""

_ATTEMPT: Final = re.compile(r"\n\t(?=\w+(?:: |$))", re.MULTILINE)
"""The separator between the credentials that were tried, one after the other."""

_REPEATED: Final = re.compile(r"^(\w+): \1( authentication unavailable[.,])? ")
"""The name of a credential that its message begins with once more."""

_NOT_SET_UP: Final = re.compile(
    r"not fully configured|configuration not found|no accounts were found|broker' package|not found on path"
    r"|is not installed|could not be found|is not supported",
    re.IGNORECASE,
)
"""The words by which a credential reports that it is not set up: it was not meant to be used."""


class NoTokenError(ClientAuthenticationError):
    """No token was given, so nothing was sent. ``message`` is the credential's own."""


@dataclass(frozen=True, slots=True)
class Login:
    """A credential, as Azure's SDKs take one, that raises ``NoTokenError`` for any reason not to give a token."""

    credential: AsyncTokenCredential

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - the SDK's own
        """Give a token."""
        with _named():
            return await self.credential.get_token(*scopes, **options)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Give a token with the time at which to renew it, if the credential says so."""
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
    """Whether nothing was sent, for lack of a token.

    For an answer of a service, the SDKs raise a ``ClientAuthenticationError`` at 401 or 403 only; any other is the
    login's own.
    """
    if not isinstance(error, ClientAuthenticationError):
        return False
    asked = str(getattr(getattr(error.response, "request", None), "url", ""))
    return error.response is None or error.status_code not in _OF_A_SERVICE or "/oauth2/" in asked


_OF_A_SERVICE: Final = frozenset({401, 403})


def cause_of(message: str) -> str:
    """Give why there is no token, out of a credential's long message.

    ``DefaultAzureCredential`` reports each credential that it tried, most of which were not meant to be used; the one
    that matters is in the middle or at the end.
    """
    _, found, attempts = message.partition("Attempted credentials:")
    if not found:
        return _ADVICE.sub("", message).strip()
    told = [_REPEATED.sub(r"\1: ", _ADVICE.sub("", attempt).strip()) for attempt in _ATTEMPT.split(attempts)]
    telling = [attempt for attempt in told if attempt and not _NOT_SET_UP.search(attempt)]
    return "; ".join(telling or [attempt.partition(". ")[0] for attempt in told if attempt])
