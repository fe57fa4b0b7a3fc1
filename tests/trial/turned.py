"""``make trial-turned``: a trial of the laptop Azure as it is, then one for each belief, in which that one is not true.

The right belief is to be found out, and no other. The trials run in virtual time, one after the other; each takes some
seconds of a processor, which is why this is no part of `make test`.
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
from tests.trial.trials import SOON, open_trial
from tests.trial.turning import Turning
from tests.trial.turnings import TURNINGS
from tests.trial.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from localazure.trial.ground import Beneath
    from spot_responder.trial.views.observations import Observations
    from spot_responder.trial.views.verdicts import Found
    from tests.trial.virtual_time import HeldLoop

UNTIL_S: Final = 15
"""How long a trial waits for what a turned Azure never shows."""
WAITS: Final = replace(SOON, look=0.5, created=UNTIL_S, listener=UNTIL_S, eviction=UNTIL_S)
STEPS: Final = tuple(step for step in Step if step is not Step.STORAGE)
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


def problem_of_unturned(found: Mapping[str, Found]) -> str:
    """Say what is wrong with the verdicts of a trial in which all is as believed; ``""``: nothing."""
    unseen = [
        f"{belief} not seen: {found[belief].how}"
        for belief in TURNINGS
        if found[belief].verdict is Verdict.NOT_SEEN and belief not in NOT_SHOWN
    ]
    return "; ".join([*unseen, *(f"{belief} does not hold: {how}" for belief, how in not_holding(found).items())])


async def _all(folder: Path, beliefs: Sequence[str]) -> int:
    wrong = 0
    async with open_beneath(folder) as beneath:
        for number, belief in enumerate(["none", *beliefs]):
            turned = belief in TURNINGS
            began = monotonic()
            turning = TURNINGS.get(belief, Turning())
            trial = await asyncio.to_thread(tried, folder / belief, beneath, number, turning, STEPS)
            problem = problem_of(belief, trial.found) if turned else problem_of_unturned(trial.found)
            wrong += bool(problem)
            good = "found out, and no other" if turned else "all that the laptop Azure shows holds"
            sys.stdout.write(
                f"{belief} turned: {f'WRONG: {problem}' if problem else good} ({monotonic() - began:.0f} s)\n"
            )
            sys.stdout.flush()
    sys.stdout.write(f"trials {len(beliefs) + 1}, right {len(beliefs) + 1 - wrong}, wrong {wrong}\n")
    return 1 if wrong else 0


def main(words: Sequence[str]) -> int:
    """Turn these beliefs, or all of them; give the exit code."""
    unknown = [word for word in words if word not in TURNINGS]
    if unknown:
        sys.stderr.write(f"trial-turned: cannot turn {', '.join(unknown)}; it can turn {', '.join(TURNINGS)}\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_all(Path(folder), words or list(TURNINGS)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
