"""One message, from when it was received until it is deleted or given back.

Three things may end the work before the function does: the lease is lost, the time to stop is up, or the record says
that a newer attempt has claimed the job. Then the process is killed first, and what may still be written is written.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spot_worker.deciding.conversation import Died, Failed, Returned, Task
from spot_worker.deciding.messages import NewerMessageError, check_known
from spot_worker.deciding.record.budgets import delay_s, judge
from spot_worker.deciding.record.claims import GiveUp, Over
from spot_worker.deciding.record.endings import Spent, end
from spot_worker.deciding.record.pointer_text import NewerPointerError
from spot_worker.deciding.record.pointers import Cause, Claim, Ending, Poison
from spot_worker.deciding.results import ImpossibleResultError, result_of
from spot_worker.deciding.times import iso
from spot_worker.running.attempt import Attempt
from spot_worker.running.claiming import Asked, claim_job, find_claim
from spot_worker.running.following import follow
from spot_worker.running.guarded import LeaseOverError, TimeIsUpError, guarded
from spot_worker.running.lease import Lost
from spot_worker.running.ports import HeldByAnotherError, NotBegunError, StorageError
from spot_worker.running.record import FencedOffError
from spot_worker.running.stops.stopping import TO_GIVE_BACK_S
from spot_worker.running.storage_retries import persist

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from spot_worker.deciding.conversation import Ended
    from spot_worker.deciding.messages import JobMessage
    from spot_worker.deciding.record.claims import Claimed
    from spot_worker.running.attempt import Uploads
    from spot_worker.running.lease import Lease
    from spot_worker.running.ports import Child, Ports
    from spot_worker.running.record import Record
    from spot_worker.running.settings import Settings
    from spot_worker.running.stops.own_stop import Idleness
    from spot_worker.running.stops.stopping import Stopping

_DOUBLE_ASIDE_S = 600
"""So long a job's second message is out of the way of who works on the job; then it is found to be a double."""
_TO_NEWER_S = 5
"""So long a job that a newer version has worked on is out of our way, for a worker of that version to take."""
_AFTER_MISTAKE_S = 60
_LAST_WRITES_S = 7.0  # SIGTERM may come when they have just begun, and it leaves 10 s
_AFTER_STORAGE_S = 10
"""A job that could not be worked on, because of storage or of this VM, is tried again after so long."""


class _NotClaimedError(Exception):
    pass


@dataclass(frozen=True)
class Place:
    """Where a claim is worked on."""

    settings: Settings
    slot: int
    stopping: Stopping
    uploads: Uploads
    idleness: Idleness


class OneClaim:
    """The work on one message. The process may be dead afterwards: ``child.is_alive()`` says so.

    ``refusal``: what storage refused for good while it was worked on.
    """

    def __init__(
        self, ports: Ports, place: Place, child: Child, message: tuple[JobMessage, Lease], claimed: Callable[[], None]
    ) -> None:
        """Nothing is claimed yet; ``claimed`` is called when it is."""
        self._ports, self._place, self._child, self._claimed = ports, place, child, claimed
        self._job, self._lease = message
        self._asked: Asked | None = None
        self._record: Record | None = None
        self._attempt: Attempt | None = None
        self._is_at_work = False
        self.refusal: StorageError | None = None

    async def go(self) -> None:
        """Do all of it."""
        stopping = self._place.stopping
        try:
            await guarded(self._claim_and_work(), self._lease, stopping)
        except LeaseOverError as error:
            await self._end_work()
            self._say("lost", why=str(error))
            if error.how is not Lost.GONE:  # nobody else is known to have it: the record says so
                await self._within(self._end(Ending.STORAGE))
        except FencedOffError as error:
            await self._end_work()
            self._say("lost", why=str(error))
            if error.has_double:
                # Ours would only fence that attempt off when it comes back. To delete it would be too much: of three
                # claims that fence one another off each could delete a message, and the job would have none left.
                await self._within(self._lease.give_back(_DOUBLE_ASIDE_S))
        except StorageError as error:
            await self._end_work()
            self._say("storage refuses", error=str(error))
            self.refusal = error
            await self._within(self._end_and_give_back(Ending.STORAGE, _AFTER_STORAGE_S))
        except NotBegunError as error:
            await self._end_work()
            self._say("not begun", why=str(error))
            await self._within(self._end_and_give_back(Ending.STORAGE, _AFTER_STORAGE_S))
        except (NewerMessageError, NewerPointerError, HeldByAnotherError) as error:
            is_newer = not isinstance(error, HeldByAnotherError)
            self._say("left to a newer worker" if is_newer else "double", why=str(error))
            again_in_s = _TO_NEWER_S if is_newer else self._place.settings.visibility_s // 2
            await self._within(self._lease.give_back(again_in_s))
        except _NotClaimedError:
            await self._within(self._end_and_give_back(Ending.STOPPED, 0))
        except TimeIsUpError:
            why = _killed(stopping.grace_s) if self._is_at_work else ""
            await self._end_work()
            await self._within(self._end_and_give_back(stopping.ending, 0, why))

    async def put_aside(self, what: str) -> None:
        """Give the message back for a while, after a mistake of ours.

        One while the job was worked on counts like a silent claim: what this job does may be behind it.
        """
        await self._child.kill()
        try:
            if self._record and self._attempt and not (self._record.pointer.outcome or self._place.stopping.is_urgent):
                await self._within(
                    self._end_or_give_up(self._record, self._attempt, Ending.SILENT, what, _AFTER_MISTAKE_S)
                )
            else:
                await self._within(self._end_and_give_back(Ending.STORAGE, _AFTER_MISTAKE_S))
        except Exception as error:  # noqa: BLE001 - then its lease ends
            self._say("not written", why=repr(error)[:2000])

    async def _end_work(self) -> None:
        """Kill the process if it may still be at this job."""
        if self._is_at_work:
            await self._child.kill()

    async def _within(self, work: Coroutine[Any, Any, None]) -> None:
        """Write what can be written in a short time; what cannot is made up for by the next claim."""
        left = self._place.stopping.left_s() + TO_GIVE_BACK_S
        try:
            await asyncio.wait_for(work, min(max(left, 0.5), _LAST_WRITES_S))
        except (asyncio.TimeoutError, StorageError, FencedOffError) as error:
            self._say("not written", why=str(error) or "storage does not answer")

    async def _claim_and_work(self) -> None:
        ports, settings, job = self._ports, self._place.settings, self._job
        check_known(job)
        claim = Claim(
            id=ports.new_id(),
            vm=settings.vm,
            slot=self._place.slot,
            boot_id=settings.boot_id,
            message_id=self._lease.message_id,
            at=iso(ports.clock.now()),
        )
        asked = Asked(settings.places.queue, job.id, claim, settings.budgets, settings.visibility_s, self._lease.put_at)

        async def claim_unless_stopped() -> tuple[Claimed, Record]:
            if self._place.stopping.is_asked:
                raise _NotClaimedError
            self._asked = asked
            return await claim_job(ports.blobs, ports.tables, asked)

        claimed, record = await persist(claim_unless_stopped, ports.log)
        self._record, pointer = record, record.pointer
        if isinstance(claimed, Over):
            self._say("double", why="the job has its outcome already: what is missing of it is done again")
            await follow(ports, pointer, job, self._lease, record.found_at)
        elif isinstance(claimed, GiveUp):
            await self._follow_poison()
        elif self._place.stopping.is_asked:
            await self._end_and_give_back(Ending.STOPPED, 0)
        else:
            self._claimed()
            self._say("claimed", evictions=pointer.counters.evictions, failures=pointer.counters.failures)
            attributes: dict[str, str | int] = {"job_id": job.id, "attempt": pointer.attempt, "queue": pointer.queue}
            with ports.log.claim("spot_worker.claim", attributes):
                await self._work(record)

    async def _work(self, record: Record) -> None:
        pointer, stopping = record.pointer, self._place.stopping
        self._attempt = attempt = Attempt(self._ports, record, stopping, self._place.uploads)
        stop = asyncio.ensure_future(self._pass_on_stop())
        self._is_at_work = True
        try:
            ended = await attempt.serve(
                self._child, Task(pointer.queue, pointer.job_id, pointer.attempt, self._job.body)
            )
        finally:
            stop.cancel()
        self._is_at_work = False
        await self._ended(record, attempt, ended)

    async def _pass_on_stop(self) -> None:
        await self._place.stopping.urgent()
        self._child.ask_to_stop()

    async def _ended(self, record: Record, attempt: Attempt, ended: Ended) -> None:
        stopping = self._place.stopping
        if isinstance(ended, Returned):
            await self._finish(record, attempt, ended)
        elif isinstance(ended, Failed) and (ended.is_permanent or not stopping.is_urgent):
            await self._failed(record, attempt, ended)
        elif stopping.is_urgent:
            # Whatever it ended with: what it had started may have been ended with us.
            await self._end_and_give_back(stopping.ending, 0)
        elif isinstance(ended, Died):
            self._say("died", how=ended.how)
            await self._end_or_give_up(record, attempt, Ending.SILENT, ended.how)
        else:
            await self._failed(record, attempt, Failed("the function raised Stopped, though nobody asked it to stop"))

    async def _finish(self, record: Record, attempt: Attempt, returned: Returned) -> None:
        ports, now = self._ports, iso(self._ports.clock.now())
        ended = end(record.pointer, Ending.RETURNED, attempt.spent(is_finished=True))
        try:
            result = result_of(returned, record.pointer, now, attempt.outputs)
        except ImpossibleResultError as error:
            await self._failed(record, attempt, Failed(str(error), is_permanent=True))
            return
        await persist(lambda: record.write(ended.with_outcome(result)), ports.log)
        self._say("finished", seconds=round(attempt.spent(is_finished=True).worked_s, 3))
        await follow(ports, record.pointer, self._job, self._lease)

    async def _failed(self, record: Record, attempt: Attempt, failed: Failed) -> None:
        self._say("failed", error=failed.error, traceback=failed.traceback, permanent=failed.is_permanent)
        if failed.is_permanent:
            ended = end(record.pointer, Ending.FAILED, attempt.spent(is_finished=False))
            poison = Poison(Cause.PERMANENT, failed.error, ended.attempt, iso(self._ports.clock.now()))
            await persist(lambda: record.write(ended.with_outcome(poison)), self._ports.log)
            await self._follow_poison()
        else:
            await self._end_or_give_up(record, attempt, Ending.FAILED, failed.error)

    async def _end_or_give_up(
        self, record: Record, attempt: Attempt, ending: Ending, what: str, at_least_s: int = 0
    ) -> None:
        ended = end(record.pointer, ending, attempt.spent(is_finished=False))
        given_up = judge(ended.counters, self._place.settings.budgets, what)
        if given_up:
            now = iso(self._ports.clock.now())
            ended = ended.with_outcome(Poison(given_up.cause, given_up.reason, ended.attempt, now))
        await persist(lambda: record.write(ended), self._ports.log)
        if given_up:
            await self._follow_poison()
            return
        after_s = max(delay_s(ended.counters), at_least_s)
        await persist(lambda: self._lease.give_back(after_s), self._ports.log)
        self._say("gave back", how=ending.value, again_in_s=after_s)

    async def _follow_poison(self) -> None:
        if self._record is None or not isinstance(self._record.pointer.outcome, Poison):
            return
        poison = self._record.pointer.outcome
        self._say("poison", cause=poison.cause.value, reason=poison.reason)
        await follow(self._ports, self._record.pointer, self._job, self._lease)

    async def _end_and_give_back(self, ending: Ending, after_s: int, why: str = "") -> None:
        """Say how the claim ended, then let others have the message: after a claim of theirs we could not.

        If the record cannot be written in time, the message is given back all the same.
        """
        left = self._place.stopping.left_s() + TO_GIVE_BACK_S / 2
        try:
            await asyncio.wait_for(self._end(ending), max(left, 0.5))
        except (StorageError, asyncio.TimeoutError) as error:
            self._say("not written", why=str(error) or "storage does not answer")
        await persist(lambda: self._lease.give_back(after_s), self._ports.log)
        self._say("gave back", how=ending.value, again_in_s=after_s, why=why)

    async def _end(self, ending: Ending) -> None:
        if self._record is None and self._asked:
            # The claim may have been written, and the answer lost: then it must not look like one that died.
            asked = self._asked
            self._record = await persist(lambda: find_claim(self._ports.blobs, asked), self._ports.log)
        record = self._record
        if record is None or record.pointer.outcome or record.pointer.claim.ended:
            return
        spent = self._attempt.spent(is_finished=False) if self._attempt else Spent(0.0)
        await persist(lambda: record.write(end(record.pointer, ending, spent)), self._ports.log)

    def _say(self, event: str, **fields: object) -> None:
        attempt = self._record.pointer.attempt if self._record else None
        self._ports.log.say(event, job_id=self._job.id, attempt=attempt, slot=self._place.slot, **fields)


def _killed(grace_s: float) -> str:
    return f"it did not stop within {grace_s:.1f} s and was killed: work since its last save is done again"
