"""Blobs, tables and inputs, on an account of Azure Storage."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.data.tables import UpdateMode

from spot_worker.deciding.blob_addresses import blob_at
from spot_worker.deciding.record.pointer_text import MOST_RECORD_BYTES
from spot_worker.edges.account import make_container, make_table
from spot_worker.edges.azure_errors import (
    CONFLICT,
    NOT_FOUND,
    PRECONDITION_FAILED,
    Threads,
    code_of,
    is_refusal,
    status_of,
)
from spot_worker.edges.state_folder import keep_in_cache
from spot_worker.edges.web import download
from spot_worker.job import digest_of
from spot_worker.running.ports import Blob, MissingError, NotAsExpectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from azure.storage.blob import BlobClient

    from spot_worker.deciding.names import Places
    from spot_worker.deciding.rows import Row
    from spot_worker.edges.account import Account

_RANGE_NOT_SATISFIABLE: Final = 416
_Given = TypeVar("_Given")


class BlobStore:
    """The container of records, checkpoints and outputs; ``cache``: a folder for the newest checkpoints' files."""

    def __init__(self, account: Account, places: Places, slots: int, cache: Path) -> None:
        """Nothing is asked yet."""
        self._container = account.blobs.get_container_client(places.checkpoints)
        self._threads = Threads("blobs", 2 * slots + 2)
        self._cache, self._slots = cache, slots

    async def read(self, name: str) -> Blob | None:
        """Read a blob, of a very large one only the beginning."""

        def read() -> Blob | None:
            try:
                stream = self._blob(name).download_blob(offset=0, length=MOST_RECORD_BYTES + 1)
                return Blob(stream.readall(), str(stream.properties.etag), stream.properties.last_modified)
            except ResourceNotFoundError:
                return None
            except HttpResponseError as error:
                if status_of(error) != _RANGE_NOT_SATISFIABLE:
                    raise
                return Blob(b"", str(self._blob(name).get_blob_properties().etag))  # it is empty

        return await self._threads.call(f"to read the blob {name}", read)

    async def create(self, name: str, content: bytes) -> str:
        """Write a blob that is not there, and give its ETag."""

        def create() -> str:
            return _etag(self._blob(name).upload_blob(content, overwrite=False, validate_content=True))

        return await self._threads.call(f"to write the blob {name}", lambda: _as_expected(lambda: self._made(create)))

    async def replace(self, name: str, content: bytes, etag: str) -> str:
        """Write over the blob that has this ETag, and give the new one."""

        def replace() -> str:
            condition: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
            blob = self._blob(name)
            return _etag(blob.upload_blob(content, overwrite=True, validate_content=True, **condition))

        return await self._threads.call(f"to write the blob {name}", lambda: _as_expected(replace))

    async def upload(self, name: str, path: str, sha256: str, size: int) -> None:
        """Upload a checkpoint's file, checked by the service, unless it is there already."""

        def upload() -> None:
            keep_in_cache(self._cache, Path(path), sha256, self._slots)
            with _unless_there(), _opened(path) as stream:
                checked: Any = _Checked(stream, path, sha256, size)
                self._blob(name).upload_blob(checked, length=size, overwrite=False, validate_content=True)

        await self._threads.call(f"to upload the checkpoint {name}", lambda: self._made(upload))

    async def download(self, name: str, path: str, sha256: str) -> str:
        """Get a checkpoint's file, from this disk's cache if it is there; give its SHA-256."""

        def get() -> str:
            with suppress(OSError):
                shutil.copyfile(self._cache / sha256, path)
                if digest_of(Path(path))[0] == sha256:
                    return sha256
            _download(self._blob(name), path)
            return digest_of(Path(path))[0]

        return await self._threads.call(f"to download the checkpoint {name}", get)

    async def put_output(self, name: str, path: str) -> str:
        """Upload an output, in place of an earlier one of this name; give its address."""

        def put() -> str:
            blob = self._blob(name)
            with _opened(path) as stream:
                blob.upload_blob(stream, overwrite=True, validate_content=True)
            return str(blob.url).split("?", 1)[0]

        return await self._threads.call(f"to upload the output {name}", lambda: self._made(put))

    async def delete(self, name: str) -> None:
        """Delete a blob, if it is there."""
        await self._threads.call(f"to delete the blob {name}", lambda: _gone(self._blob(name)))

    def _blob(self, name: str) -> BlobClient:
        return self._container.get_blob_client(name)

    def _made(self, write: Callable[[], _Given]) -> _Given:
        """Write, and make the container if somebody deleted it."""
        try:
            return write()
        except ResourceNotFoundError:
            make_container(self._container)
            return write()


class _Checked:
    """A file as it is uploaded: its first ``size`` bytes, and none beyond, must be those of the checkpoint.

    The last ones are given only if that is so. As they come before the blob is there, no blob holds anything else.
    """

    def __init__(self, stream: BinaryIO, path: str, sha256: str, size: int) -> None:
        """Nothing is read yet."""
        self._stream, self._path, self._sha256, self._left = stream, path, sha256, size
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read on. Raises ``MissingError`` if the file is another than it was."""
        asked = self._left if size < 0 else min(size, self._left)
        given = self._stream.read(asked)
        self._digest.update(given)
        self._left -= len(given)
        if len(given) < asked or (not self._left and self._digest.hexdigest() != self._sha256):
            message = f"{self._path} was changed while it was saved: let nothing write to it until save_file returns"
            raise MissingError(message)
        return given


class AccountInputs:
    """What jobs read: blobs of the account, by its rights, and whatever else is given out by HTTP."""

    def __init__(self, account: Account, slots: int) -> None:
        """Nothing is asked yet."""
        self._account = account
        self._threads = Threads("inputs", slots + 2)

    async def fetch(self, url: str, path: str) -> None:
        """Get what is at an address into a file."""
        blob = self._blob(url)
        get = (lambda: download(url, path)) if blob is None else (lambda: _download(blob, path))
        await self._threads.call(f"to fetch {url}", lambda: _readable(url, get))

    async def delete(self, url: str, unless_after: datetime | None = None) -> None:
        """Delete a blob of our storage account, if it is there; unless it was written after this."""
        blob = self._blob(url)
        if blob is not None:
            await self._threads.call(f"to delete {url}", lambda: _gone(blob, unless_after))

    def _blob(self, url: str) -> BlobClient | None:
        """Give the blob of our account at this address, if it is one. One with a SAS is read by that."""
        found = blob_at(str(self._account.blobs.url), url)
        return self._account.blobs.get_blob_client(*found) if found else None


class AccountTables:
    """The tables of results and of workers."""

    def __init__(self, account: Account, results: str, workers: str, slots: int) -> None:
        """Nothing is asked yet."""
        self._results, self._workers = (account.tables.get_table_client(name) for name in (results, workers))
        self._threads = Threads("tables", slots + 2)

    async def put_result(self, row: Row) -> None:
        """Write a row of the results, in place of what is there."""
        await self._put("results", self._results, row)

    async def put_worker(self, row: Row) -> None:
        """Write a row of the workers, in place of what is there."""
        await self._put("workers", self._workers, row)

    async def renewed(self, queue: str, job_id: str) -> list[str]:
        """Say when those workers that have this job last renewed their leases."""

        def ask() -> list[str]:
            condition, values = "PartitionKey eq @queue and job_id eq @job", {"queue": queue, "job": job_id}
            try:
                return [str(row["renewed_at"]) for row in self._workers.query_entities(condition, parameters=values)]
            except ResourceNotFoundError:
                return []  # somebody deleted the table

        return await self._threads.call("to read the table of workers", ask)

    async def _put(self, what: str, table: Any, row: Row) -> None:  # noqa: ANN401 - a client of the library
        def put() -> None:
            try:
                table.upsert_entity(row, mode=UpdateMode.REPLACE)
            except ResourceNotFoundError:  # somebody deleted it
                make_table(table)
                table.upsert_entity(row, mode=UpdateMode.REPLACE)

        await self._threads.call(f"to write the table of {what}", put)


def _as_expected(call: Callable[[], str]) -> str:
    try:
        return call()
    except HttpResponseError as error:
        is_gone = status_of(error) == NOT_FOUND
        if _is_there(error) or is_gone or status_of(error) == PRECONDITION_FAILED:
            raise NotAsExpectedError(code_of(error)) from error
        raise


@contextmanager
def _unless_there() -> Iterator[None]:
    """Let a blob of this name that is there already be no error."""
    try:
        yield
    except HttpResponseError as error:
        if not _is_there(error):
            raise


def _is_there(error: HttpResponseError) -> bool:
    return status_of(error) == CONFLICT and code_of(error) == "BlobAlreadyExists"


def _readable(url: str, get: Callable[[], None]) -> None:
    """Get what a job asks for. Raises ``MissingError`` where the address is at fault, not storage."""
    try:
        get()
    except HttpResponseError as error:
        if is_refusal(error):
            message = f"{url} cannot be fetched: {status_of(error)} {code_of(error)}"
            raise MissingError(message) from error
        raise


def _download(blob: BlobClient, path: str) -> None:
    try:
        with Path(path).open("wb") as stream:
            blob.download_blob().readinto(stream)
    except ResourceNotFoundError as error:
        message = f"there is no blob {blob.url.split('?', 1)[0]}"
        raise MissingError(message) from error


def _opened(path: str) -> Any:  # noqa: ANN401 - a stream, which has many names
    try:
        return Path(path).open("rb")
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise MissingError(message) from error


def _gone(blob: BlobClient, unless_after: datetime | None = None) -> None:
    condition: dict[str, Any] = {} if unless_after is None else {"if_unmodified_since": unless_after}
    with suppress(ResourceNotFoundError):
        blob.delete_blob(**condition)


def _etag(answer: dict[str, Any]) -> str:
    return str(answer["etag"])
