"""Answers what the process of a function asks for while it works on one job: checkpoints, files, outputs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from traceback import format_exc
from typing import TYPE_CHECKING, Final, cast, get_args

from spot_worker.deciding.conversation import (
    Answer,
    Done,
    Ended,
    FetchAsked,
    FileSaved,
    LoadAsked,
    Loaded,
    OutputGiven,
    Refused,
    StateSaved,
)
from spot_worker.deciding.listed import Listed, read_listed, write_listed
from spot_worker.deciding.names import (
    BadNameError,
    check_output,
    checkpoint_name,
    lists_name,
    output_after,
    output_called,
    output_name,
)
from spot_worker.deciding.rates import Rate
from spot_worker.deciding.record.endings import Spent, no_longer_named, with_checkpoint, with_newest_loaded
from spot_worker.deciding.record.pointers import Kind, Saved
from spot_worker.deciding.results import ImpossibleResultError, check_listed, checked_follow
from spot_worker.deciding.times import iso
from spot_worker.running.ports import DiskError, MissingError, NotAsExpectedError, StorageError
from spot_worker.running.record import FencedOffError
from spot_worker.running.storage_retries import persist

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from spot_worker.deciding.conversation import Said, Task
    from spot_worker.running.ports import Child, Ports
    from spot_worker.running.record import Record
    from spot_worker.running.stops.stopping import Stopping

_ENDS: Final = get_args(Ended)


@dataclass
class Uploads:
    """How fast this VM's uploads are. All its slots share it."""

    rate: Rate = field(default_factory=Rate)


class Attempt:
    """One attempt at one job. ``outputs``: what it has given so far, or an earlier one had up to its checkpoint."""

    def __init__(self, ports: Ports, record: Record, stopping: Stopping, uploads: Uploads) -> None:
        """Begin now."""
        self._ports, self._record, self._stopping, self._uploads = ports, record, stopping, uploads
        self._began = self._safe_at = ports.clock.monotonic()
        self._count = 0
        self._may_resume = True
        self._kept_outputs: tuple[str, ...] = ()
        self._found_unusable = False
        self.outputs: tuple[str, ...] = ()

    async def serve(self, child: Child, task: Task) -> Ended:
        """Let the process work, and say how it ended.

        Raises ``NotBegunError``, ``FencedOffError``, and ``StorageError`` for good.
        """
        await child.begin(task)
        while True:
            said = await child.hear()
            if isinstance(said, _ENDS):
                return cast("Ended", said)
            try:
                answer = await self._do(said)
            except (MissingError, DiskError) as error:
                answer = Refused(str(error))
            except (FencedOffError, StorageError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever we did not think of
                # Only the function can know whether its job goes on without. If it does not, that counts as its
                # failure: what one job asks for must not be tried for ever.
                self._say("our own mistake", error=repr(error)[:2000], traceback=format_exc()[-8000:])
                answer = Refused(f"the worker cannot do it: {error!r:.500}")
            await child.answer(answer)

    def spent(self, *, is_finished: bool) -> Spent:
        """Say how long it worked, and how much of that is to be done again."""
        now = self._ports.clock.monotonic()
        return Spent(now - self._began, 0.0 if is_finished else now - self._safe_at)

    async def _do(self, said: Said) -> Answer:
        if isinstance(said, LoadAsked):
            return await self._load(said.path)
        if isinstance(said, StateSaved):
            content = said.text.encode()
            digest = hashlib.sha256(content).hexdigest()
            return await self._save(said, digest, len(content), lambda name: self._put(name, content))
        if isinstance(said, FileSaved):
            path, sha256, size = said.path, said.sha256, said.size
            upload = self._ports.blobs.upload
            return await self._save(said, sha256, size, lambda name: upload(name, path, sha256, size))
        if isinstance(said, FetchAsked):
            return await self._fetch(said.url, said.path)
        if isinstance(said, OutputGiven):
            return await self._output(said)
        return Refused(f"the worker does not know {type(said).__name__}")

    async def _save(
        self, said: StateSaved | FileSaved, sha256: str, size: int, upload: Callable[[str], Awaitable[None]]
    ) -> Answer:
        stopping, clock, before = self._stopping, self._ports.clock, self._record.pointer
        kind = Kind.STATE if isinstance(said, StateSaved) else Kind.FILE
        try:
            checked_follow(said, before)
        except ImpossibleResultError as error:
            return Refused(str(error))
        if kind is Kind.FILE and stopping.is_urgent and not self._uploads.rate.fits(size, stopping.left_s()):
            self._say("file left out", size=size, seconds_left=round(stopping.left_s(), 1))
            return Done(stops=True)
        self._count += 1
        asked_at = clock.monotonic()
        name = checkpoint_name(before.queue, before.job_id, before.attempt, self._count, sha256)

        async def timed() -> None:
            began = clock.monotonic()
            await upload(name)
            self._uploads.rate = self._uploads.rate.after(size, clock.monotonic() - began)

        await persist(timed, self._ports.log)
        lists = await self._keep_lists(Listed(self.outputs, said.submitted, said.inputs))
        saved = Saved(name, sha256, size, kind, before.attempt, iso(clock.now()), *lists)
        after = with_checkpoint(before, saved)
        await persist(lambda: self._record.write(after), self._ports.log)
        self._safe_at = asked_at
        self._kept_outputs, self._may_resume = self.outputs, False
        self._say("saved", size=size, kind=kind.value)
        if not stopping.is_urgent:
            await self._forget(no_longer_named(before, after))
        return Done(stops=stopping.is_urgent)

    async def _keep_lists(self, listed: Listed) -> tuple[str, str]:
        """Write what was listed up to a checkpoint, if anything; give the blob and its SHA-256.

        Each checkpoint has a blob of its own, also for the same lists: the damage of one must not be that of all.
        """
        if listed == Listed():
            return "", ""
        pointer, content = self._record.pointer, write_listed(listed)
        sha256 = hashlib.sha256(content).hexdigest()
        name = lists_name(pointer.queue, pointer.job_id, pointer.attempt, self._count, sha256)
        await persist(lambda: self._put(name, content), self._ports.log)
        return name, sha256

    async def _put(self, name: str, content: bytes) -> None:
        try:
            await self._ports.blobs.create(name, content)
        except NotAsExpectedError:
            return  # the name has the content's hash: it was written, and the answer was lost

    async def _forget(self, names: tuple[str, ...]) -> None:
        for name in names:
            try:
                await self._ports.blobs.delete(name)
            except StorageError as error:
                self._say("old checkpoint not deleted", name=name, error=str(error))

    async def _load(self, path: str) -> Answer:
        checkpoints = self._record.pointer.checkpoints
        for saved in reversed(checkpoints):
            loaded = await persist(lambda one=saved: self._whole(one, path), self._ports.log)  # type: ignore[misc]
            if saved is checkpoints[-1]:
                await self._count_newest(is_usable=loaded is not None)
            if loaded:
                self._may_resume = False
                return loaded
            self._say("checkpoint not usable", name=saved.name, why="it is gone, or is not what was saved")
        return Loaded(None)

    async def _count_newest(self, *, is_usable: bool) -> None:
        """Write down, once for each attempt, that the newest checkpoint is unusable; or that it is usable again."""
        if not is_usable and self._found_unusable:
            return
        self._found_unusable = not is_usable
        after = with_newest_loaded(self._record.pointer, is_usable=is_usable)
        if after != self._record.pointer:
            await persist(lambda: self._record.write(after), self._ports.log)

    async def _whole(self, saved: Saved, path: str) -> Loaded | None:
        """Read a checkpoint; ``None`` if it is not whole."""
        if saved.kind is Kind.STATE:
            content = await self._as_saved(saved.name, saved.sha256)
            return None if content is None else await self._with_lists(saved, Loaded(Kind.STATE, content.decode()))
        try:
            digest = await self._ports.blobs.download(saved.name, path, saved.sha256)
        except MissingError:
            return None
        return await self._with_lists(saved, Loaded(Kind.FILE)) if digest == saved.sha256 else None

    async def _with_lists(self, saved: Saved, loaded: Loaded) -> Loaded | None:
        """Let the attempt go on with what was listed up to the checkpoint that it begins from; see ``_whole``."""
        if not saved.lists or not self._may_resume:
            return loaded
        content = await self._as_saved(saved.lists, saved.lists_sha256)
        if content is None:
            return None
        listed = read_listed(content)
        self.outputs = listed.outputs
        return replace(loaded, has_lists=True, submitted=listed.submitted, inputs=listed.inputs)

    async def _as_saved(self, name: str, sha256: str) -> bytes | None:
        """Read a blob; ``None`` if it is gone, or is not what was saved."""
        blob = await self._ports.blobs.read(name)
        if blob is None or hashlib.sha256(blob.content).hexdigest() != sha256:
            return None
        return blob.content

    async def _fetch(self, url: str, path: str) -> Answer:
        await persist(lambda: self._ports.inputs.fetch(url, path), self._ports.log)
        return Done()

    async def _output(self, given: OutputGiven) -> Answer:
        pointer = self._record.pointer
        queue, job_id, attempt = pointer.queue, pointer.job_id, pointer.attempt
        name = output_name(queue, job_id, attempt, given.name)
        if name in self._kept_outputs:
            name = output_after(queue, job_id, attempt, self._count, given.name)
        outputs = (*(one for one in self.outputs if output_called(queue, job_id, one) != given.name), name)
        try:
            check_output(given.name)
            check_listed(outputs, "outputs")
        except (BadNameError, ImpossibleResultError) as error:
            return Refused(str(error))
        url = await persist(lambda: self._ports.blobs.put_output(name, given.path), self._ports.log)
        self.outputs = outputs
        return Done(url)

    def _say(self, event: str, **fields: object) -> None:
        pointer = self._record.pointer
        self._ports.log.say(event, job_id=pointer.job_id, attempt=pointer.attempt, **fields)
