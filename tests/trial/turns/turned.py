"""``make trial-turned``: a trial of the laptop Azure as it is, then one for each belief, in which that one is not true.

The right belief is to be found out, and no other. The trials run in virtual time, one after the other; those about
storage in real time, beside each other. It takes two minutes, which is why this is no part of `make test`.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from localazure.trial.ground import open_beneath
from spot_responder.trial.run import run_trial
from spot_responder.trial.views.checks import judged
from spot_responder.trial.views.verdicts import Step, Verdict
from tests.trial.harness.trials import SOON, open_trial
from tests.trial.harness.virtual_time import in_virtual_time
from tests.trial.turns.turned_storage import STORAGE_TURNINGS, tried_storage
from tests.trial.turns.turning import Turning
from tests.trial.turns.turnings import TURNINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from localazure.trial.ground import Beneath
    from spot_responder.trial.views.observations import Observations
    from spot_responder.trial.views.verdicts import Found
    from tests.trial.harness.virtual_time import HeldLoop

UNTIL_S: Final = 15
"""How long a trial waits for what a turned Azure never shows."""
WAITS: Final = replace(SOON, look=0.5, created=UNTIL_S, listener=UNTIL_S, eviction=UNTIL_S, passing=5)
STEPS: Final = tuple(step for step in Step if step is not Step.STORAGE)
ALL_TURNINGS: Final = (*TURNINGS, *STORAGE_TURNINGS)
NOT_SHOWN: Final = frozenset({"E7", "C4", "C5", "C20", "R7", "R8"})
"""Beliefs with a check that the laptop Azure has nothing to show for."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a trial has seen, and its verdicts."""

    seen: Observations
    found: Mapping[str, Found]


def tried(  # noqa: PLR0913, PLR0917 - each is one thing that can be otherwise
    folder: Path,
    beneath: Beneath,
    number: int,
    turning: Turning,
    steps: Sequence[Step],
    behind: timedelta = timedelta(),
) -> Trial:
    """Run these steps of a trial in a laptop Azure that is turned, in virtual time; give what came out.

    ``behind``: what the clock of the trial's computer is behind Azure's.

    Call it in a thread without an event loop.

    Raises:
        AssertionError: if the trial has left something behind.
    """

    async def trial(loop: HeldLoop) -> Trial:
        waits = replace(WAITS, settle=turning.settle or SOON.settle)
        if turning.role is not None:
            waits = replace(waits, role=turning.role, look=turning.role / 60)
        run = f"{number:08x}"
        between = turning.between
        async with open_trial(folder, beneath, run, between=between, waits=waits, loop=loop, behind=behind) as here:
            if turning.world is not None:
                turning.world(here.ground)
            course, left = await run_trial(here.field, steps, keep=False)
            assert left == []
            assert here.field.journal.remains() == []
            return Trial(here.field.seen, judged(here.field.seen, frozenset(), course.failed.items()))

    return in_virtual_time(trial)


def not_holding(found: Mapping[str, Found]) -> dict[str, str]:
    """Give the beliefs that were found untrue, and how."""
    return {belief: each.how for belief, each in found.items() if each.verdict is Verdict.DOES_NOT_HOLD}


def problem_of(belief: str, found: Mapping[str, Found]) -> str:
    """Say what is wrong with the verdicts of a trial in which this belief is not true; ``""``: nothing."""
    others = {name: how for name, how in not_holding(found).items() if name != belief}
    missed = "" if belief in not_holding(found) else f"{found[belief].verdict}: {found[belief].how}"
    return "; ".join([*([missed] if missed else []), *(f"{name} too: {how}" for name, how in others.items())])


def problem_of_unturned(found: Mapping[str, Found], beliefs: Iterable[str]) -> str:
    """Say what is wrong with the verdicts of a trial in which all is as believed; ``""``: nothing."""
    unseen = [
        f"{belief} not seen: {found[belief].how}"
        for belief in beliefs
        if found[belief].verdict is Verdict.NOT_SEEN and belief not in NOT_SHOWN
    ]
    return "; ".join([*unseen, *(f"{belief} does not hold: {how}" for belief, how in not_holding(found).items())])


async def _all(folder: Path, beliefs: Sequence[str]) -> int:
    """Try one after the other in virtual time, and those about storage beside each other in real time."""
    of_storage = ["", *(belief for belief in beliefs if belief in STORAGE_TURNINGS)]
    others = ["", *(belief for belief in beliefs if belief in TURNINGS)]
    wrong = 0
    async with open_beneath(folder) as beneath:
        for number, belief in enumerate(others):
            began = monotonic()
            turning = TURNINGS.get(belief, Turning())
            trial = await asyncio.to_thread(tried, folder / f"other-{belief}", beneath, number, turning, STEPS)
            problem = problem_of(belief, trial.found) if belief else problem_of_unturned(trial.found, TURNINGS)
            wrong += _told(belief, problem, f"{monotonic() - began:.0f} s")
        trials = (
            tried_storage(folder / f"storage-{belief}", beneath, len(others) + number, belief)
            for number, belief in enumerate(of_storage)
        )
        for belief, found in zip(of_storage, await asyncio.gather(*trials), strict=True):
            problem = problem_of(belief, found) if belief else problem_of_unturned(found, STORAGE_TURNINGS)
            wrong += _told(belief, problem, "storage")
    tries = len(others) + len(of_storage)
    sys.stdout.write(f"trials {tries}, right {tries - wrong}, wrong {wrong}\n")
    return 1 if wrong else 0


def _told(belief: str, problem: str, how: str) -> bool:
    """Print how a trial came out; answer whether it came out wrong."""
    good = "found out, and no other" if belief else "all that the laptop Azure shows holds"
    sys.stdout.write(f"{belief or 'none'} turned: {f'WRONG: {problem}' if problem else good} ({how})\n")
    sys.stdout.flush()
    return bool(problem)


def main(words: Sequence[str]) -> int:
    """Turn these beliefs, or all of them; give the exit code."""
    unknown = [word for word in words if word not in ALL_TURNINGS]
    if unknown:
        sys.stderr.write(f"trial-turned: cannot turn {', '.join(unknown)}; it can turn {', '.join(ALL_TURNINGS)}\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_all(Path(folder), words or ALL_TURNINGS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
