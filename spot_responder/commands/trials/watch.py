"""``trial --watch``: what really happens to the Spot VMs of a subscription, until Ctrl-C. It only reads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from spot_responder.commands.trials.evidence import begin_evidence
from spot_responder.terminal.results import FINE, WRONG, CommandResult
from spot_responder.text import count
from spot_responder.trial.fleet import watch_fleet
from spot_responder.trial.views.about_fleet import watched
from spot_responder.trial.views.observations import Observations
from spot_responder.trial.views.report import belief_list, clock_told, counts, page, payloads, redaction_of
from spot_responder.trial.views.verdicts import Verdict

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from spot_responder.commands.trials.evidence import Evidence
    from spot_responder.trial.clock import AzuresClock
    from spot_responder.trial.ports import Azure
    from spot_responder.trial.views.redaction import Redaction

LOOK_S: Final = 15.0
LOOK_ON_LAPTOP_S: Final = 0.5


async def watch(arguments: Namespace, azure: Azure, clock: AzuresClock, tell: Callable[[str], None]) -> CommandResult:
    """Watch until Ctrl-C, then write the evidence; give one line.

    Raises:
        CouldNotLookError: without a login.
        StopError: if the evidence cannot be written.
    """
    login = await azure.login()
    subscription = arguments.subscription.lower()
    evidence = begin_evidence(arguments.out, "watch", clock.now(), on_laptop=arguments.on_laptop)
    seen = Observations(azure.endpoint)
    tell(f"watching the Spot VMs of {subscription}, as {login.name}; it only reads. Ctrl-C ends it")
    task = asyncio.current_task()
    try:
        every_s = LOOK_ON_LAPTOP_S if arguments.on_laptop else LOOK_S
        await watch_fleet(azure, subscription, seen, clock.now, every_s)
    except asyncio.CancelledError:
        # Ctrl-C is how a watch ends, so it is no interruption.
        if task is not None:
            task.uncancel()
    known = tuple(each for each in (subscription, login.name, login.object_id) if each)
    return _written(arguments, seen, redaction_of(seen, known), clock, evidence)


def _written(
    arguments: Namespace, seen: Observations, redaction: Redaction, clock: AzuresClock, evidence: Evidence
) -> CommandResult:
    found, notes = watched(seen), [clock_told(clock.ahead)]
    heading = (
        f"Watch until {clock.now():%Y-%m-%d, %H:%M:%S} UTC{', on the laptop Azure' if arguments.on_laptop else ''}"
    )
    beliefs = belief_list(found, redaction)
    head = {"heading": heading, "laptop": arguments.on_laptop, "unfinished": False, "notes": notes}
    evidence.write(
        {**head, "beliefs": beliefs, **payloads(seen, redaction)}, page(found, seen, redaction, heading, notes)
    )
    vms = count(len({each.vm for each in seen.fleet}), "Spot VM")
    line = f"watched {vms}: {counts(found)}; evidence: {evidence.data}\n"
    wrong = any(each.verdict is Verdict.DOES_NOT_HOLD for each in found.values())
    return CommandResult({"beliefs": beliefs, "evidence": str(evidence.data)}, lambda _: line, WRONG if wrong else FINE)
