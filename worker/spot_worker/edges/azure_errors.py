"""What an error of Azure's libraries means to the worker."""

from __future__ import annotations

import asyncio
import errno
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from spot_worker.running.ports import DiskError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

_Given = TypeVar("_Given")
BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
_UNAUTHORIZED: Final = frozenset({401, FORBIDDEN})
NOT_FOUND: Final = 404
CONFLICT: Final = 409
PRECONDITION_FAILED: Final = 412
_PASSES: Final = frozenset({408, 429})
"""Of the answers below 500, those that mean: ask again."""
_CONFLICTS_THAT_PASS: Final = frozenset(
    {
        *("AccountBeingCreated", "ContainerBeingDeleted", "QueueBeingDeleted", "TableBeingDeleted"),
        *("FilesystemBeingDeleted", "SnapshotOperationRateExceeded", "SystemInUse", "ServerBusy", "OperationTimedOut"),
    }
)
"""Of the conflicts (409), those that are over within a minute. Others last until somebody does something about them, as
``BlobArchived``, ``SnapshotsPresent`` and ``BlobImmutableDueToPolicy``, or for hours, as ``BlobBeingRehydrated`` and
``PendingCopyOperation``. Source: Microsoft's "Blob service error codes", and those of queues and tables."""
_SERVER_ERROR: Final = 500
_OF_THE_DISK: Final = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
        *(errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
    }
)
"""Other errors of the system are the network's: to ask again may help."""
_RIGHTS: Final = (
    "the worker's identity needs the roles Storage Queue Data Contributor, Storage Blob Data Contributor and "
    "Storage Table Data Contributor on the storage account"
)


class Threads:
    """Calls the libraries, which wait for their answers, in threads of their own."""

    def __init__(self, name: str, most: int) -> None:
        """``most``: so many calls at a time."""
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)

    async def call(self, what: str, call: Callable[[], _Given]) -> _Given:
        """Give what the call gives. Raises ``StorageError`` and what the call raises of our own."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(translated, what, call))


def translated(what: str, call: Callable[[], _Given]) -> _Given:
    """Give what the call gives. Raises ``StorageError`` for whatever Azure's libraries raise."""
    try:
        return call()
    except (AzureError, OSError) as error:
        raise _meaning(what, error) from error


def status_of(error: BaseException) -> int:
    """Give the status of an answer; 0 where there was none."""
    return (error.status_code or 0) if isinstance(error, HttpResponseError) else 0


def is_refusal(error: BaseException) -> bool:
    """Whether an answer says that to ask again will not help."""
    status = status_of(error)
    if status == CONFLICT:
        return code_of(error) not in _CONFLICTS_THAT_PASS
    return BAD_REQUEST <= status < _SERVER_ERROR and status not in _PASSES


def is_of_the_disk(error: BaseException) -> bool:
    """Whether the disk of this machine is at fault; the network's errors are of the same kind."""
    return isinstance(error, OSError) and error.errno in _OF_THE_DISK


def code_of(error: BaseException) -> str:
    """Give the service's own word for an error."""
    code = getattr(error, "error_code", "") or ""
    return str(getattr(code, "value", code))


def _meaning(what: str, error: Exception) -> StorageError:
    status = status_of(error)
    said = " ".join(str(error).split("\n", 1)[0].split())[:300] or type(error).__name__
    if code_of(error) == "AuthenticationFailed":
        why = "the key or token is not accepted: is it the right one, and the clock right?"
        return StorageError(f"{what}: not allowed ({status} AuthenticationFailed): {why}", is_lasting=True)
    if status in _UNAUTHORIZED:
        return StorageError(f"{what}: not allowed ({status} {code_of(error)}): {_RIGHTS}", is_lasting=True)
    if isinstance(error, ClientAuthenticationError):
        return StorageError(f"{what}: no identity to sign in with (a managed identity, or `az login`): {said}")
    if is_refusal(error):
        return StorageError(f"{what}: refused ({status} {code_of(error)}): {said}", is_lasting=True)
    if isinstance(error, OSError) and is_of_the_disk(error):
        return DiskError(f"{what}: {error.strerror}: {error.filename or 'the disk of this VM'}")
    return StorageError(f"{what}: {said}")
