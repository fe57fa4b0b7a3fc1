"""``python -m soak.worker.mutants``: deliberate bugs in the worker, each of which its soak must catch."""

from __future__ import annotations

import sys
from typing import Final

from soak.responder.mutants import Mutant, Tried, main

WORKER: Final = Tried(
    "soak.worker",
    "worker/spot_worker",
    ("agent/spot_agent", "localazure", "soak", "spot_responder", "worker/spot_worker"),
    (".", "agent", "worker"),
)

MUTANTS: Final = (
    Mutant(
        "lost",
        "the message is deleted before the work",
        "running/one_claim.py",
        "                await self._work(record)\n",
        "                await self._lease.delete()\n                await self._work(record)\n",
    ),
    Mutant(
        "lost",
        "the message is deleted before what follows from the outcome",
        "running/following.py",
        "    if isinstance(pointer.outcome, Result):\n",
        "    await persist(lease.delete, ports.log)\n    if isinstance(pointer.outcome, Result):\n",
    ),
    Mutant(
        "lost",
        "what is missing after an outcome is not made up for",
        "running/one_claim.py",
        "            await follow(ports, pointer, job, self._lease, record.found_at)\n",
        "            await self._lease.delete()\n",
    ),
    Mutant(
        "lost",
        "only the first of the submitted jobs is put",
        "running/following.py",
        "    for one in result.submitted:\n",
        "    for one in result.submitted[:1]:\n",
    ),
    Mutant(
        "lost",
        "what was submitted before a checkpoint is forgotten with its attempt",
        "running/attempt.py",
        "        return replace(loaded, has_lists=True, submitted=listed.submitted, inputs=listed.inputs)\n",
        "        return loaded\n",
    ),
    Mutant(
        "lost",
        "what is given up is not put into the poison queue",
        "running/following.py",
        "    elif pointer.outcome:\n",
        "    elif False:\n",
    ),
    Mutant(
        "lost",
        "who is fenced off deletes the message",
        "running/one_claim.py",
        "            if error.has_double:\n",
        "            await self._within(self._lease.delete())\n            if False:\n",
    ),
    Mutant(
        "lost",
        "what is stopped uses up the budget of failures",
        "deciding/record/endings.py",
        "failures=was.failures + (ending is Ending.FAILED),",
        "failures=was.failures + (ending in {Ending.FAILED, Ending.STOPPED, Ending.STORAGE}),",
    ),
    Mutant(
        "lost",
        "claims without a word are counted in spite of progress",
        "deciding/record/endings.py",
        "    if has_progressed:\n        return 0\n",
        "",
    ),
    Mutant(
        "lost",
        "a claim that ended without a word is not counted",
        "deciding/record/claims.py",
        "known = after_silence(found) if found.claim.ended is None else found",
        "known = found",
    ),
    Mutant(
        "lost",
        "what fails is never given up",
        "deciding/record/budgets.py",
        "    if counters.failures >= budgets.failures:\n",
        "    if False:\n",
    ),
    Mutant(
        "lost",
        "a lease is renewed after it has run out only",
        "running/lease.py",
        "third = self._visibility_s / 3",
        "third = self._visibility_s * 3",
    ),
    Mutant(
        "lost",
        "a lease is renewed by the oldest receipt",
        "running/lease.py",
        "                self._receipt = await asyncio.wait_for(renewing, within_s)\n",
        "                await asyncio.wait_for(renewing, within_s)\n",
    ),
    Mutant(
        "fenced",
        "a record is written over, whoever changed it",
        "running/record.py",
        "self._etag = self._own(found)",
        "self._etag = found.etag",
    ),
    Mutant(
        "fenced",
        "a claim counts though it was not written",
        "running/claiming.py",
        "        except NotAsExpectedError:\n            continue\n",
        "        except NotAsExpectedError:\n            return claimed, Record(blobs, claimed.pointer, found.etag)\n",
    ),
    Mutant(
        "fenced",
        "a claim does not count the attempts up",
        "deciding/record/claims.py",
        "attempt=known.attempt + 1",
        "attempt=known.attempt",
    ),
    Mutant(
        "fenced",
        "a job that has its outcome is run again",
        "deciding/record/claims.py",
        "    if found.outcome:\n",
        "    if False:\n",
    ),
    Mutant(
        "fenced",
        "a result's row is written before the record",
        "running/one_claim.py",
        "        await persist(lambda: record.write(ended.with_outcome(result)), ports.log)\n",
        "        from spot_worker.deciding.rows import result_row\n"
        "        await persist(lambda: ports.tables.put_result(result_row(ended, result)), ports.log)\n"
        "        await persist(lambda: record.write(ended.with_outcome(result)), ports.log)\n",
    ),
    Mutant(
        "fenced",
        "work goes on though the queue says that the lease is lost",
        "running/lease.py",
        "                self.lost.set_result(self._how_lost())\n",
        '                self._log.say("lost")\n',
    ),
    Mutant(
        "repeated",
        "the oldest checkpoint is loaded",
        "running/attempt.py",
        "reversed(checkpoints)",
        "checkpoints",
    ),
    Mutant(
        "repeated",
        "a checkpoint is not verified",
        "running/attempt.py",
        "if blob is None or hashlib.sha256(blob.content).hexdigest() != sha256:",
        "if blob is None:",
    ),
    Mutant(
        "repeated",
        "save returns before the record names the checkpoint",
        "running/attempt.py",
        "        await persist(lambda: self._record.write(after), self._ports.log)\n        self._safe_at",
        "        self._record.pointer = after\n        self._safe_at",
    ),
    Mutant(
        "repeated",
        "checkpoints are deleted that the record still names",
        "running/attempt.py",
        "self._forget(no_longer_named(before, after))",
        "self._forget(tuple(one.name for one in before.checkpoints))",
    ),
    Mutant(
        "noticed",
        "messages are asked for after a notice",
        "running/stops/stopping.py",
        "        self._asked.set()\n        self._urgent.set()\n",
        "        self._urgent.set()\n",
    ),
    Mutant(
        "noticed",
        "a claim that races with a notice is worked on",
        "running/one_claim.py",
        "        elif self._place.stopping.is_asked:\n",
        "        elif False:\n",
    ),
    Mutant(
        "noticed",
        "after SIGTERM jobs may take a minute",
        "running/stops/stopping.py",
        "SIGNAL_GRACE_S: Final = 6.5",
        "SIGNAL_GRACE_S: Final = 60.0",
    ),
    Mutant(
        "noticed",
        "after a notice jobs may take longer than the VM has",
        "running/stops/stopping.py",
        "_MARGIN_S: Final = 3.0",
        "_MARGIN_S: Final = -9.0",
    ),
    Mutant(
        "noticed",
        "what is stopped keeps its message",
        "running/one_claim.py",
        '            self._say("not written", why=str(error) or "storage does not answer")\n'
        "        await persist(lambda: self._lease.give_back(after_s), self._ports.log)\n",
        '            self._say("not written", why=str(error) or "storage does not answer")\n',
    ),
)


if __name__ == "__main__":
    sys.exit(main(mutants=MUTANTS, tried=WORKER))
