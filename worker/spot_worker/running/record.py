"""A job's record in storage, as the claim that owns it writes it: each write is conditional on the one before.

An answer of storage may be lost, or come after we gave up waiting for it. So when a write finds the record changed, the
record itself says by whom: by an earlier write of this very claim, or by a newer attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_worker.deciding.names import pointer_name
from spot_worker.deciding.record.pointer_text import UnreadablePointerError, read_pointer, write_pointer
from spot_worker.running.ports import NotAsExpectedError

if TYPE_CHECKING:
    from datetime import datetime

    from spot_worker.deciding.record.pointers import Claim, Pointer
    from spot_worker.running.ports import Blob, Blobs


class FencedOffError(Exception):
    """The job is no longer ours. ``has_double``: who has it came with another message than we."""

    def __init__(self, message: str, *, has_double: bool = False) -> None:
        """Say who has it."""
        super().__init__(message)
        self.has_double = has_double


class Record:
    """The record. ``pointer`` is what was written last; ``found_at``: when what we found there was written."""

    def __init__(self, blobs: Blobs, pointer: Pointer, etag: str, found_at: datetime | None = None) -> None:
        """Begin with what stands in storage under this ETag."""
        self._blobs, self._etag, self.found_at = blobs, etag, found_at
        self.pointer = pointer

    async def write(self, pointer: Pointer) -> None:
        """Write it. Raises ``FencedOffError``, and then has written nothing."""
        content, name = write_pointer(pointer), pointer_name(pointer.queue, pointer.job_id)
        while True:
            try:
                self._etag = await self._blobs.replace(name, content, self._etag)
            except NotAsExpectedError:
                found = await self._blobs.read(name)
                if found is None or found.content != content:
                    self._etag = self._own(found)
                    continue
                self._etag = found.etag  # it was written, and the answer was lost
            self.pointer = pointer
            return

    def _own(self, found: Blob | None) -> str:
        """Give the ETag of an earlier write of ours, whose answer was lost. Raises ``FencedOffError``."""
        ours = self.pointer
        if found is None:
            message = f"the record of job {ours.job_id} is gone: somebody deleted it"
            raise FencedOffError(message)
        try:
            theirs = read_pointer(found.content, ours.queue, ours.job_id)
        except UnreadablePointerError as error:
            message = f"the record of job {ours.job_id} was changed by hand: {error}"
            raise FencedOffError(message) from error
        if theirs.claim.id == ours.claim.id and theirs.outcome is None:
            return found.etag
        what = "has its outcome" if theirs.outcome else f"is claimed by attempt {theirs.attempt}"
        message = f"job {ours.job_id}, attempt {ours.attempt}: it {what}, by {theirs.claim.vm}"
        raise FencedOffError(message, has_double=_has_double(ours.claim, theirs))


def _has_double(ours: Claim, theirs: Pointer) -> bool:
    """Whether the job has a message besides ours, so that it is not lost without it.

    A newer attempt may have our own message, by an older receipt: then its claim was written late, after its lease.
    """
    is_held = theirs.outcome is not None or theirs.claim.ended is None
    return is_held and theirs.claim.message_id != ours.message_id
