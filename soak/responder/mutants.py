"""``python -m soak.responder.mutants``: deliberate bugs in the product, each of which the soak must catch.

If no bug could break a promise, nothing would check that promise. Each mutant is made in a copy of the product, in a
folder of its own; the repository is not changed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PRODUCT: Final = "spot_responder"
_BROKEN: Final = re.compile(r"^seed \d+: (\w+): ", re.MULTILINE)
_AT_ONCE: Final = 50
"""So many schedules at a time, until one catches it."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What is tried: the ``soak``, a module; the ``product``'s folder; the folders ``copied`` and those on the path."""

    soak: str
    product: str
    copied: tuple[str, ...]
    paths: tuple[str, ...] = (".",)


APP: Final = Tried("soak.responder", PRODUCT, (PRODUCT, "localazure", "soak", "queries", "infra"))


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug: ``written`` in ``file``, which is there once, becomes ``changed``; it breaks ``promise``."""

    promise: str
    what: str
    file: str
    written: str
    changed: str

    def put_into(self, text: str) -> str:
        """Give the file's text with the bug in it.

        Raises:
            ValueError: what it changes is not there, or more than once.
            SyntaxError: what comes of it is no Python, so that it would be no bug.
        """
        if text.count(self.written) != 1:
            message = f"{self.file} has {text.count(self.written)} times what the mutant {self.what!r} changes"
            raise ValueError(message)
        mutated = text.replace(self.written, self.changed)
        compile(mutated, self.file, "exec")
        return mutated


MUTANTS: Final = (
    Mutant(
        "safe",
        "the tag is not asked for",
        "decisions/decide.py",
        "elif not vm.has_tag(policy.restart_tag):",
        "elif False:",
    ),
    Mutant(
        "safe",
        "a VM is changed to a size that its tag does not name",
        "decisions/fallback/sizes.py",
        "_each_once([notes_of(recovery).first_of(vm.size), *named])",
        '_each_once([notes_of(recovery).first_of(vm.size), "Standard_D2s_v3", *named])',
    ),
    Mutant(
        "safe",
        "a tag with a slip in it counts for the other sizes",
        "offerings/fallback_tag.py",
        "    if odd is not None:\n",
        "    if odd == sizes[0]:\n",
    ),
    Mutant(
        "safe",
        "a size is changed whatever has happened to the VM since the look",
        "clients/offerings/resizer.py",
        '{"etag": vm.etag, "match_condition": MatchConditions.IfNotModified} if vm.etag else {}',
        "{}",
    ),
    Mutant("safe", "any VM counts as Spot", "decisions/decide.py", "if not vm.is_spot:", "if False:"),
    Mutant(
        "safe",
        "ARM is not asked before a start: the graph's word is taken",
        "responder/gather.py",
        "    return _joined(await ports.compute.current(vm_id), shown)\n",
        "    return _joined(shown or await ports.compute.current(vm_id), shown)\n",
    ),
    Mutant(
        "safe",
        "an owner's stop does not count",
        "decisions/evidence.py",
        "if self.stopped_firmly_at and (not self.evicted_at or self.stopped_firmly_at >= self.evicted_at):",
        "if False:",
    ),
    Mutant(
        "safe",
        "an owner's stop is forgotten when we may not look",
        "responder/unanswered.py",
        "        if signal.kind is SignalKind.UNAVAILABLE:\n            return True\n",
        "        if signal.kind is not SignalKind.FOLLOW_UP:\n            return True\n",
    ),
    Mutant(
        "safe",
        "what a scale set restores is started too",
        "decisions/decide.py",
        "if not vm.restored_by_scale_set:",
        "if True:",
    ),
    Mutant(
        "safe",
        "a start is sent however old the look is",
        "responder/acting/requests.py",
        "if self.clock() - noted.gathered.begun_at > noted.holds:",
        "if False:",
    ),
    Mutant(
        "safe",
        "an agent's word counts as Azure's",
        "decisions/evidence.py",
        "return self if self.noticed_at else replace(self, noticed_at=occurred_at)",
        "return replace(self, evicted_at=_newest(self.evicted_at, occurred_at))",
    ),
    Mutant(
        "safe",
        "Azure's events are taken from the agents' queue",
        "intake/inboxes.py",
        "            return read_agent_report(event)\n",
        "            return read_event(event)\n",
    ),
    Mutant("safe", "an operator's hold is not obeyed", "decisions/decide.py", "        _held_by_an_operator,\n", ""),
    Mutant("safe", "a dry run starts", "responder/responder.py", "if self.settings.dry_run:", "if False:"),
    Mutant(
        "live",
        "the sweep finds nothing",
        "responder/sweep.py",
        "found = finds.among(await self.ports.graph.deallocated_spot_vms(self.restart_tag))",
        "found: frozenset[VmId] = frozenset()",
    ),
    Mutant(
        "live",
        "a follow-up that was lost is not noticed",
        "decisions/recoveries.py",
        "return self.is_open and (self.wake_at is None or now - self.wake_at > FOLLOW_UP_OVERDUE)",
        "return False",
    ),
    Mutant(
        "live",
        "a refusal by price is waited out for a day",
        "decisions/pauses.py",
        "                policy.price_retry,\n",
        "                policy.price_retry * 24,\n",
    ),
    Mutant(
        "live",
        "a closed pool never opens",
        "decisions/pools.py",
        "if gate.closed_until is not None and gate.is_closed(now):",
        "if gate.closed_until is not None:",
    ),
    Mutant(
        "live",
        "an accepted start is waited for without end",
        "decisions/decide.py",
        "if now - attempt.asked_at < START_PATIENCE:",
        "if True:",
    ),
    Mutant(
        "live",
        "an owner's stop outweighs a later eviction",
        "decisions/evidence.py",
        "if self.stopped_firmly_at and (not self.evicted_at or self.stopped_firmly_at >= self.evicted_at):",
        "if self.stopped_firmly_at:",
    ),
    Mutant(
        "polite",
        "a VM's size is changed ten times as often as is promised",
        "decisions/fallback/sizes.py",
        "        if len(lately) >= most:\n",
        "        if len(lately) >= 10 * most:\n",
    ),
    Mutant("polite", "no budget", "decisions/decide.py", "        budget,\n    )", "    )"),
    Mutant(
        "polite",
        "a signal is requeued at once, without a pause",
        "responder/unanswered.py",
        "        await queue.put(again, delay)\n",
        "        await queue.put(again, timedelta())\n",
    ),
    Mutant(
        "polite",
        "a look that could not save leaves one follow-up more each time",
        "responder/acting/save.py",
        "if _is_spare(gathered.situation):",
        "if False:",
    ),
    Mutant(
        "polite",
        "how long Azure asks us to wait is not obeyed",
        "decisions/refused_starts.py",
        "    return now + (failure.retry_after or timedelta())\n",
        "    return now\n",
    ),
    Mutant(
        "polite",
        "stale follow-ups are answered",
        "responder/gather.py",
        "    return signal.sequence >= recovery.sequence and",
        "    return signal.sequence >= 0 and",
    ),
    Mutant(
        "told",
        "one answer that there is no such VM is believed",
        "decisions/rules/absences.py",
        "    return is_unseen or now - absence.since >= GONE_THOUGH_SHOWN\n",
        "    return True\n",
    ),
    Mutant(
        "live",
        "what answers at an operation's address ends the look",
        "responder/gather.py",
        "    return await ports.compute.operation(attempt.operation_url)\n",
        "    from spot_responder.decisions.situations import OperationState\n"
        "    from spot_responder.intake.azure_errors import classify\n"
        "    from spot_responder.responder.ports import AzureRefusedError\n"
        "    told = await ports.compute.operation(attempt.operation_url)\n"
        "    if told.state is OperationState.UNKNOWN:\n"
        "        raise AzureRefusedError(classify(404, None, {}), 'tell how the start is doing')\n"
        "    return told\n",
    ),
    Mutant(
        "told",
        "a max price is called near that is below",
        "offerings/max_prices.py",
        "    if limit < price:\n",
        "    if limit < price / 2:\n",
    ),
    Mutant(
        "told",
        "what keeps us from looking is told after a month",
        "decisions/policy.py",
        "LASTS: Final = timedelta(minutes=30)\n",
        "LASTS: Final = timedelta(days=30)\n",
    ),
    Mutant(
        "told",
        "a VM whose tag was taken away is told as stopped by its owner",
        "decisions/decide.py",
        "outcome, reason = Outcome.OPTED_OUT,",
        "outcome, reason = Outcome.STOPPED_BY_OWNER,",
    ),
    Mutant(
        "told",
        "the recovery before is not recorded when the next is opened",
        "responder/act.py",
        "if not isinstance(decision, Ignore | Requeue) and before and not before.is_open and not before.recorded:",
        "if False:",
    ),
    Mutant(
        "told",
        "an outcome that could not be published is not told again",
        "responder/sweep.py",
        "            await self._publish_again(now)\n",
        "",
    ),
    Mutant(
        "told",
        "a recovery that ended just before we died is not told again",
        "responder/sweep.py",
        "            if not row.value.is_open and not row.value.recorded:\n",
        "            if False:\n",
    ),
    Mutant(
        "told",
        "a code that nobody knows is a conflict at 409",
        "intake/azure_errors.py",
        "no_more_is_said = status == HTTPStatus.CONFLICT and innermost is None",
        "no_more_is_said = status == HTTPStatus.CONFLICT",
    ),
    Mutant(
        "told",
        "rows are saved whoever saved them since",
        "clients/tables.py",
        "                row, mode=UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified\n",
        "                row, mode=UpdateMode.REPLACE\n",
    ),
)


def is_caught(mutant: Mutant, schedules: int, seed: int, tried: Tried = APP) -> int | None:
    """Run the soak over the product with this bug; give how many schedules it took, or ``None`` where it passed."""
    with tempfile.TemporaryDirectory() as folder:
        for name in tried.copied:
            shutil.copytree(REPOSITORY / name, Path(folder) / name, ignore=shutil.ignore_patterns("__pycache__"))
        file = Path(folder) / tried.product / mutant.file
        file.write_text(mutant.put_into(file.read_text("utf-8")), "utf-8")
        for done in range(0, schedules, _AT_ONCE):
            if _broken_promises(tried, folder, seed + done):
                return done + _AT_ONCE
    return None


def _broken_promises(tried: Tried, folder: str, seed: int) -> list[str]:
    """Run some schedules; give the promises that broke. What only crashes breaks none: it is no mutant but an error."""
    words = [sys.executable, "-m", tried.soak, "--schedules", str(_AT_ONCE), "--seed", str(seed)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(folder) / path) for path in tried.paths)}
    run = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if not run.stdout.rstrip().endswith("}"):
        message = f"the soak gave no report: {run.stderr.strip().splitlines()[-1:]}"
        raise RuntimeError(message)
    return _BROKEN.findall(run.stdout)


def main(arguments: Sequence[str] | None = None, mutants: Sequence[Mutant] = MUTANTS, tried: Tried = APP) -> int:
    """Try every mutant. Exit code 0 if each was caught."""
    parser = argparse.ArgumentParser(prog=f"python -m {tried.soak}.mutants", description="Bugs that a soak must catch.")
    parser.add_argument("--schedules", type=int, default=6000, help="at most so many for each (6000)")
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule (1)")
    parser.add_argument("--only", default="", metavar="TEXT", help="those whose bug or file has this text")
    given = parser.parse_args(arguments)
    mutants = [mutant for mutant in mutants if given.only in f"{mutant.what} {mutant.file}"]
    if not mutants:
        parser.error(f"no mutant has {given.only!r} in its bug or its file: see MUTANTS in the module")
    passed = 0
    for mutant in mutants:
        took = is_caught(mutant, given.schedules, given.seed, tried)
        passed += took is None
        told = f"caught within {took} schedules" if took else f"NOT CAUGHT in {given.schedules} schedules"
        sys.stdout.write(f"{mutant.promise:12} {told:34} {mutant.what}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(mutants) - passed} of {len(mutants)} caught\n")
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
