"""``trial --watch``: what really happens to the Spot VMs of a subscription, until Ctrl-C. It only reads."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from spot_responder.terminal.results import FINE, WRONG, CommandResult
from spot_responder.text import count
from spot_responder.trial.fleet import watch_fleet
from spot_responder.trial.views.about_fleet import watched
from spot_responder.trial.views.observations import Observations
from spot_responder.trial.views.report import belief_list, counts, page, payloads, redaction_of
from spot_responder.trial.views.verdicts import Verdict

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from datetime import datetime

    from spot_responder.trial.ports import Azure
    from spot_responder.trial.views.redaction import Redaction

LOOK_S: Final = 15.0
LOOK_ON_LAPTOP_S: Final = 0.5


async def watch(
    arguments: Namespace, azure: Azure, now: Callable[[], datetime], tell: Callable[[str], None]
) -> CommandResult:
    """Watch until Ctrl-C, then write the evidence; give one line.

    Raises:
        CouldNotLookError: without a login.
    """
    login = await azure.login()
    subscription = arguments.subscription.lower()
    seen = Observations(azure.endpoint)
    tell(f"watching the Spot VMs of {subscription}, as {login.name}; it only reads. Ctrl-C ends it")
    task = asyncio.current_task()
    try:
        await watch_fleet(azure, subscription, seen, now, LOOK_ON_LAPTOP_S if arguments.local else LOOK_S)
    except asyncio.CancelledError:
        # Ctrl-C is how a watch ends, so it is no interruption.
        if task is not None:
            task.uncancel()
    known = tuple(each for each in (subscription, login.name, login.object_id) if each)
    return _written(arguments, seen, redaction_of(seen, known), now().strftime("%Y-%m-%d"))


def _written(arguments: Namespace, seen: Observations, redaction: Redaction, day: str) -> CommandResult:
    found = watched(seen)
    heading = f"Watch until {day}{', on the laptop Azure' if arguments.local else ''}"
    beliefs = belief_list(found, redaction)
    evidence = {"heading": heading, "laptop": arguments.local, "beliefs": beliefs, **payloads(seen, redaction)}
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / f"watch-{day}.json"
    file.write_text(json.dumps(evidence, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (arguments.out / f"watch-{day}.md").write_text(page(found, seen, redaction, heading), encoding="utf-8")
    vms = count(len({each.vm for each in seen.fleet}), "Spot VM")
    line = f"watched {vms}: {counts(found)}; evidence: {file}\n"
    wrong = any(each.verdict is Verdict.DOES_NOT_HOLD for each in found.values())
    return CommandResult({"beliefs": beliefs, "evidence": str(file)}, lambda _: line, WRONG if wrong else FINE)
