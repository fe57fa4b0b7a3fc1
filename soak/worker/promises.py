"""What must hold whatever happens to the workers, judged by what is stored and by what functions did, not by belief.

lost: each job ends in one result or in poison with a reason, with what it submitted; no message goes before that.
fenced: what an older attempt writes after a newer one has claimed does not count. repeated: work that ``save`` returned
for is not done again, and a function that saves when it is due loses an interval at most. noticed: after a notice, or a
signal to end, nothing is claimed, no function begins, and the worker is gone in time, with its job given back.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from spot_worker.deciding.conversation import Failed
from spot_worker.deciding.messages import read_message
from spot_worker.deciding.names import submitted_id

from soak.worker.function import INTERVAL_S
from soak.worker.known import POISON, Findings, Known

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spot_worker.deciding.conversation import Said, Task

    from soak.worker.account import Account, Message

QUEUE: Final = "jobs"
OPERATOR: Final = "operator"
"""Who requeues what was given up."""
RESULTS: Final = "jobsresults"
_IN_VAIN: Final = 5
_KILLED_WITHIN_S: Final = 0.5
_TAKEN_WITHIN_S: Final = 10.0


class Judge:
    """Watches one story."""

    def __init__(self, seed: int, max_failures: int) -> None:
        """Begin to watch."""
        self.findings = Findings(seed)
        self.account: Account | None = None
        self.jobs: dict[str, Known] = {}
        self.stops: dict[str, float] = {}
        """When which process was told of a notice, or to end."""
        self.received: Counter[tuple[str, str]] = Counter()
        """How often which process received which message."""
        self.asked: set[str] = set()
        """The processes that asked for messages."""
        self._max_failures = max_failures

    @property
    def _stored(self) -> Account:
        assert self.account is not None, "the account is set before the story begins"  # noqa: S101 - of our own making
        return self.account

    @property
    def _now(self) -> float:
        return self._stored.now()

    def submits(self, job_id: str, body: dict[str, Any]) -> None:
        """Hear of a job that is submitted."""
        self.jobs[job_id] = Known(body)
        self.findings.jobs += 1

    def stops_at(self, who: str) -> None:
        """Hear that a process knows that it is to stop."""
        self.stops.setdefault(who, self._now)

    def resumes(self, who: str) -> None:
        """Hear that nothing is about to happen any more to a process that waited for that before its first message."""
        if who not in self.asked:
            self.stops.pop(who, None)

    def asks(self, who: str) -> None:
        """Hear that a process asks for a message."""
        self.asked.add(who)
        if who in self.stops and self._now > self.stops[who]:
            self.breaks("noticed", f"{who} asks for a message {self._now - self.stops[who]:.2f} s after it was told")

    def is_given(self, who: str, task: Task) -> None:
        """Judge whether this process may be given a job."""
        self.findings.attempts += 1
        if who in self.stops and self._now > self.stops[who]:
            self.breaks("noticed", f"{who} begins {task.job_id} after it was told to stop")

    def begins(self, who: str, task: Task, done: int) -> None:
        """Judge whether this function may begin, and from there."""
        known = self.jobs[task.job_id]
        if known.pointer.get("outcome") and task.attempt == known.attempt:
            self.breaks("fenced", f"attempt {task.attempt} of {task.job_id} runs though there is an outcome")
        if (known.attempt, known.claimed_by) != (task.attempt, who) and task.attempt >= known.attempt:
            self.breaks("fenced", f"attempt {task.attempt} of {task.job_id} runs before its claim is written")
        self._judge_progress(task, known, done)
        known.worked = done

    def _judge_progress(self, task: Task, known: Known, done: int) -> None:
        kept = max((steps for attempt, steps in known.kept.items() if attempt < task.attempt), default=0)
        if task.attempt != known.attempt:
            return  # an older one, that will find out
        if done < kept and not known.is_corrupted:
            self.breaks("repeated", f"attempt {task.attempt} of {task.job_id} begins at {done}, saved was {kept}")
        whole = [saved for saved in known.pointer["checkpoints"] if self._is_whole(saved)]
        if done == 0 and whole:
            self.breaks("repeated", f"attempt {task.attempt} of {task.job_id} begins anew: {len(whole)} are there")
        lost_s = (known.worked - done) * known.body["step_s"]
        bound = INTERVAL_S + 2 * known.body["step_s"]
        if known.body["saves"] == "due" and lost_s > bound and not known.is_corrupted:
            self.breaks("repeated", f"attempt {task.attempt} of {task.job_id} does {lost_s:.0f} s again")

    def _is_whole(self, saved: dict[str, Any]) -> bool:
        whole = self._stored.blobs.keys() - self._stored.spoiled
        return {saved["name"], saved["lists"] or saved["name"]} <= whole

    def reads_rubbish(self, task: Task) -> None:
        """Hear that ``load`` gave what nobody had saved."""
        self.breaks("repeated", f"attempt {task.attempt} of {task.job_id} loads what is not whole")

    def receives(self, who: str, message_id: str) -> None:
        """Hear that a process received a message."""
        self.received[who, message_id] += 1

    def loses(self, who: str, message_id: str) -> None:
        """Hear that a process was told that a message is not its own any more."""
        if self.received[who, message_id] > 1:
            return  # which of its claims lost it nobody can tell
        for known in self.jobs.values():
            for attempt, claim in known.claims.items():
                if claim == (who, message_id):
                    known.lost_at[attempt] = self._now

    def works(self, task: Task, steps: int) -> None:
        """Hear that a function has done so many steps."""
        known = self.jobs[task.job_id]
        if self._now > known.lost_at.get(task.attempt, self._now) + _KILLED_WITHIN_S:
            self.breaks("fenced", f"attempt {task.attempt} of {task.job_id} works on without its lease")
        if task.attempt == known.attempt:
            known.worked = max(known.worked, steps)

    def tries_to_save(self, task: Task, steps: int) -> None:
        """Hear that ``save`` is called."""
        self.jobs[task.job_id].reached[task.attempt] = steps

    def saves(self, task: Task, steps: int) -> None:
        """Hear that ``save`` returned."""
        self.jobs[task.job_id].kept[task.attempt] = steps

    def ends(self, task: Task, said: Said) -> None:
        """Hear how a function ended."""
        known = self.jobs[task.job_id]
        known.failures += isinstance(said, Failed)

    def watch(self, who: str, what: str, name: str, content: bytes) -> None:
        """See a write that took effect."""
        if what == "blob" and name.endswith("/pointer.json"):
            self._sees_pointer(who, name.split("/")[1], json.loads(content))
        elif what == "row" and name == RESULTS:
            self._sees_row(who, content.decode())
        elif what == "message":
            self._sees_message(who, name, content.decode())
        elif what == "delete message":
            self._sees_deletion(who, name, content.decode())
        elif what == "delete blob":
            self._sees_blob_gone(who, name)

    def _sees_pointer(self, who: str, job_id: str, pointer: dict[str, Any]) -> None:
        known = self.jobs[job_id]
        before, attempt = known.pointer, pointer["attempt"]
        was = before.get("outcome")
        if was and was["kind"] == "poison" and not pointer["outcome"] and who == OPERATOR:
            known.is_requeued()
        elif was and was != pointer["outcome"]:
            self.breaks("fenced", f"{who} changes the outcome of {job_id} from {was} to {pointer['outcome']}")
        if attempt < known.attempt:
            self.breaks("fenced", f"{who} writes attempt {attempt} of {job_id} after {known.attempt}")
        elif pointer["claim"]["id"] != known.claim_id:
            if attempt != known.attempt + 1:
                self.breaks("fenced", f"{who} claims attempt {attempt} of {job_id} after {known.attempt}")
            known.in_vain = known.in_vain_with_newest
            known.attempt, known.claim_id, known.claimed_by = attempt, pointer["claim"]["id"], who
            known.claims[attempt] = who, pointer["claim"]["message_id"]
        elif who not in {known.claimed_by, OPERATOR}:
            self.breaks("fenced", f"{who} writes in the name of {known.claimed_by}: attempt {attempt} of {job_id}")
        known.pointer = pointer
        if pointer["outcome"] and not was:
            self._judge_outcome(job_id, known, pointer["outcome"])

    def _judge_outcome(self, job_id: str, known: Known, outcome: dict[str, Any]) -> None:
        if outcome["kind"] == "result":
            return
        cause, reason = outcome["cause"], outcome["reason"]
        if not reason:
            self.breaks("lost", f"{job_id} is poison without a reason")
        is_due = {
            "failures": known.failures >= self._max_failures,
            "silent claims": known.in_vain_with_newest >= _IN_VAIN,
            "evictions": known.in_vain_with_newest >= _IN_VAIN,
            "checkpoints": known.is_corrupted,
            "permanent": known.body["trouble"] == "permanent",
        }.get(cause, False)
        if not is_due:
            self.breaks("lost", f"{job_id} is poison too early: {reason}")

    def _sees_row(self, who: str, job_id: str) -> None:
        outcome = self.jobs[job_id].pointer.get("outcome") or {}
        row = self._row(job_id)
        if outcome.get("kind") != "result" or (row["attempt"], row["result"]) != (outcome["attempt"], outcome["value"]):
            self.breaks("fenced", f"{who} writes a row of {job_id} that is not its record's: {outcome or 'no outcome'}")

    def _sees_message(self, who: str, queue: str, text: str) -> None:
        job = read_message("", text)
        if queue == POISON:
            outcome = self.jobs[job.id].pointer.get("outcome") or {}
            if outcome.get("kind") != "poison" and not self.jobs[job.id].was_requeued:
                self.breaks("lost", f"{who} puts {job.id} into poison, which its record does not say")
            self.jobs[job.id].submitted.add(POISON)
        elif who.startswith("vm-"):
            self._sees_submitted(who, job.id, job.body)

    def _sees_submitted(self, who: str, job_id: str, body: dict[str, Any]) -> None:
        parent = self.jobs[body["parent"]]
        parent.submitted.add(job_id)
        if job_id not in self.jobs:
            self.submits(job_id, body)
        if (parent.pointer.get("outcome") or {}).get("kind") != "result":
            self.breaks("fenced", f"{who} submits {job_id} before {body['parent']} has its result")

    def _sees_deletion(self, who: str, queue: str, message: str) -> None:
        if queue != QUEUE:
            return
        job = read_message(message.partition("\n")[0], message.partition("\n")[2])
        known = self.jobs[job.id]
        outcome = known.pointer.get("outcome")
        is_being_requeued = known.was_requeued and not outcome and self._messages(job.id, POISON)
        if self._messages(job.id) or is_being_requeued:
            return
        if not outcome:
            self.breaks("lost", f"{who} deletes the last message of {job.id}, which has no outcome")
        elif outcome["kind"] == "poison" and POISON not in known.submitted:
            self.breaks("lost", f"{who} deletes the message of {job.id}, which is not in the poison queue")
        elif outcome["kind"] == "result":
            for what in self._missing(job.id, known):
                self.breaks("lost", f"{who} deletes the message of {job.id} before {what}")

    def _messages(self, job_id: str, queue: str = QUEUE) -> list[Message]:
        """Give the messages of this job; by a doubled submit there are several."""
        messages = self._stored.queues.get(queue, {}).values()
        return [message for message in messages if read_message(message.message_id, message.text).id == job_id]

    def _missing(self, job_id: str, known: Known) -> Iterator[str]:
        if self._row(job_id) is None:
            yield "its row is written"
        nexts = {submitted_id(QUEUE, job_id, index): one["body"] for index, one in enumerate(known.body["nexts"])}
        if not set(nexts) <= known.submitted:
            yield "what it submitted is put"
        if [(one["id"], one["body"]) for one in known.pointer["outcome"]["submitted"]] != list(nexts.items()):
            yield "its record has what it submitted, each once"

    def _sees_blob_gone(self, who: str, name: str) -> None:
        for job_id, known in self.jobs.items():
            has_result = (known.pointer.get("outcome") or {}).get("kind") == "result"
            named = [one[key] for one in known.pointer.get("checkpoints", ()) for key in ("name", "lists")]
            if not has_result and name in named:
                self.breaks("repeated", f"{who} deletes {name}, a checkpoint that the record of {job_id} names")

    def _row(self, job_id: str) -> Any:  # noqa: ANN401 - of JSON
        return self._stored.rows.get((RESULTS, QUEUE, job_id))

    def left(self) -> list[str]:
        """Give the jobs that have not ended."""
        return [job_id for job_id, known in self.jobs.items() if not self._has_ended(job_id, known)]

    def _has_ended(self, job_id: str, known: Known) -> bool:
        return self._row(job_id) is not None or known.is_poison

    def is_held_up(self, who: str, message: Message) -> bool:
        """Whether nobody can go on with the message's job because this process, which claimed it last, keeps it."""
        job_id = read_message(message.message_id, message.text).id
        is_all_kept = all(one.held_by == who and one.visible_at > self._now for one in self._messages(job_id))
        known = self.jobs[job_id]
        return known.claimed_by == who and not known.pointer.get("outcome") and is_all_kept

    def judge_the_end(self) -> None:
        """Look at what should be so once all is calm."""
        for job_id, known in self.jobs.items():
            has_result, is_poison = self._row(job_id) is not None, known.is_poison
            self.findings.results += has_result
            self.findings.poisoned += is_poison
            if has_result == is_poison:
                self.breaks("lost", f"{job_id} has {'both' if has_result else 'neither'} a result and poison: {known}")
        for message in self._stored.queues.get(QUEUE, {}).values():
            if message.visible_at < self._now - _TAKEN_WITHIN_S:
                self.breaks("lost", f"nobody takes {message.text[:60]}")

    def breaks(self, promise: str, what: str) -> None:
        """Note that a promise was broken."""
        self.findings.broken.append(f"{promise}: at {self._now:.1f} s: {what}")
