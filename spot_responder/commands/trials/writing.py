"""What a trial found, written into its evidence, and given as the command's result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from spot_responder.commands.trials.evidence import as_json, write_whole
from spot_responder.commands.trials.remains import command_for, told_left
from spot_responder.terminal.interrupts import INTERRUPTED
from spot_responder.terminal.results import FINE, WRONG, CommandResult
from spot_responder.text import count, shortened
from spot_responder.trial.views.checks import judged
from spot_responder.trial.views.report import belief_list, clock_told, counts, page, payloads, redaction_of
from spot_responder.trial.views.verdicts import Verdict

if TYPE_CHECKING:
    from argparse import Namespace
    from datetime import datetime

    from spot_responder.commands.trials.evidence import Evidence
    from spot_responder.terminal.console import Console
    from spot_responder.trial.clock import AzuresClock
    from spot_responder.trial.field import Plan
    from spot_responder.trial.run import Course
    from spot_responder.trial.views.observations import Observations
    from spot_responder.trial.views.verdicts import Found

NEWEST: Final = "trial.json"
"""The verdicts of the newest trial; each trial's own files stay."""


@dataclass(slots=True)
class Writing:
    """Writes down what a trial saw; ``problem`` says why it could not."""

    arguments: Namespace
    plan: Plan
    seen: Observations
    clock: AzuresClock
    began: datetime
    evidence: Evidence
    found: dict[str, Found] = field(default_factory=dict)
    beliefs: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False
    problem: str = ""

    def write(self, course: Course) -> None:
        """Judge what was seen, and write it: also where the trial was interrupted."""
        plan, laptop = self.plan, self.arguments.on_laptop
        self.interrupted = course.interrupted
        self.found = judged(self.seen, self.arguments.only, course.failed.items(), course.unfinished)
        known = (plan.subscription, plan.run, plan.login.name, plan.login.object_id)
        redaction = redaction_of(self.seen, tuple(each for each in known if each))
        self.beliefs = belief_list(self.found, redaction)
        notes = [clock_told(self.clock.ahead)]
        if course.unfinished:
            steps = ", ".join(course.unfinished)
            notes.append(f"It was ended before its time: these steps did not come to their end: {steps}")
        where = f"{plan.location}, {plan.size}{', on the laptop Azure' if laptop else ''}"
        heading = f"Trial of {self.began:%Y-%m-%d, %H:%M:%S} UTC in {where}"
        head = {"heading": heading, "laptop": laptop, "unfinished": bool(course.unfinished), "notes": notes}
        evidence = {**head, "beliefs": self.beliefs, **payloads(self.seen, redaction)}
        try:
            self.evidence.write(evidence, page(self.found, self.seen, redaction, heading, notes))
            write_whole(self.arguments.out / NEWEST, as_json(self.beliefs))
        except OSError as error:
            # What was created is still to be taken away, and the verdicts to be printed.
            self.problem = f"the evidence could not be written: {error}"

    def result(self, left: list[str], kept: int) -> CommandResult:
        """Give it. ``left``: what could not be taken away; ``kept``: how much is listed still."""
        file = str(self.evidence.page)
        content = {
            "beliefs": self.beliefs,
            "left": left,
            "page": file,
            "interrupted": self.interrupted,
            "problem": self.problem or None,
        }
        told = told_left(self.arguments, left)
        if kept and not left:
            told = f"kept: {count(kept, 'resource')}. To take them away: {command_for(self.arguments)}\n"
        told += f"{self.problem}\n" if self.problem else f"evidence, on this computer only: {file}\n"
        wrong = any(each.verdict is Verdict.DOES_NOT_HOLD for each in self.found.values())
        code = WRONG if wrong or left or self.problem else FINE
        return CommandResult(
            content,
            lambda console: render(self.beliefs, told, counts(self.found), console),
            INTERRUPTED if self.interrupted else code,
        )


def render(beliefs: list[dict[str, Any]], told: str, counted: str, console: Console) -> str:
    """Write the verdicts, and the counts last."""
    rows = [[each["belief"], each["verdict"], shortened(str(each["how"]), 90)] for each in beliefs]
    return f"{console.table(('belief', 'verdict', 'how'), rows)}\n{told}{counted}\n"
