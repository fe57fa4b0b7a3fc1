"""``trial``: finds out in a subscription which beliefs about Azure are true. ``trial/run.py`` does it.

It knows nothing of the app's settings: it needs a login and a subscription only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import re
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spot_responder.commands.arguments import add_command
from spot_responder.commands.local import enter_the_laptop
from spot_responder.commands.trials.watch import watch
from spot_responder.operators.ports import CouldNotLookError
from spot_responder.settings import InvalidSettingError, arm_endpoint, prices_endpoint
from spot_responder.terminal.results import FINE, MISUSED, WRONG, CommandResult, StopError
from spot_responder.text import shortened
from spot_responder.trial.field import IN_AZURE, ON_LAPTOP, Field, Plan
from spot_responder.trial.journal import AnotherTrialError, UnreadableJournalError, open_journal
from spot_responder.trial.precautions import find_app, find_lacking_rights
from spot_responder.trial.removal import take_away
from spot_responder.trial.run import run_trial
from spot_responder.trial.views.announcement import BESIDES_USD, announcement, max_price
from spot_responder.trial.views.checks import BELIEFS, judged, steps_for
from spot_responder.trial.views.observations import Observations
from spot_responder.trial.views.report import belief_list, counts, page, payloads, redaction_of
from spot_responder.trial.views.verdicts import Verdict

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from spot_responder.commands.arguments import Commands
    from spot_responder.terminal.console import Console
    from spot_responder.trial.journal import Journal
    from spot_responder.trial.ports import Azure
    from spot_responder.trial.views.verdicts import Found, Step

EXAMPLES: Final = """\
  .venv/bin/spot-responder trial --subscription 00000000-0000-0000-0000-000000000000 --location westeurope
  .venv/bin/spot-responder trial --subscription … --location westeurope --only G1,G9,R6     creates nothing
  .venv/bin/spot-responder trial --subscription … --watch     creates nothing: watches the fleet until Ctrl-C

It says what it will create, what that costs at most and how long it takes, and asks. It takes everything away at its
end, also after Ctrl-C; after a crash the next trial does. It touches nothing that it did not create. It refuses a
subscription that has the app, unless --beside-app. Ends with 1 where a belief does not hold, or something was left.
"""
_SUBSCRIPTION: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LOCATION: Final = re.compile(r"[a-z0-9]{3,40}", re.IGNORECASE)
_SIZE: Final = re.compile(r"\w{3,80}", re.ASCII)
_MOST_USD: Final = 100.0
_LEAST_USD: Final = BESIDES_USD + 0.1


def add(commands: Commands) -> None:
    """Add the command."""
    what = "try in a subscription what is believed about Azure, with one small Spot VM, and write down what is true"
    command = add_command(commands, "trial", what, _refuse, examples=EXAMPLES)
    command.add_argument("--subscription", required=True, metavar="ID", type=_subscription, help="where to try it")
    command.add_argument("--location", metavar="L", type=_location, help="the region: westeurope")
    beside = "create nothing: watch the Spot VMs that are there until Ctrl-C, and write down what happens to them"
    command.add_argument("--watch", action="store_true", help=beside)
    size = "the size of the VM (default: %(default)s)"
    command.add_argument("--size", metavar="S", type=_size, default="Standard_D2s_v5", help=size)
    cost = "what it may cost at most, in USD (default: %(default)s)"
    command.add_argument("--max-cost", metavar="USD", type=_usd, default=1.0, help=cost)
    only = "check these beliefs only, and create no more than they need"
    command.add_argument("--only", metavar="E1,G1,…", type=_beliefs, default=frozenset(), help=only)
    command.add_argument("--keep", action="store_true", help="leave everything there; the next trial takes it away")
    command.add_argument("--beside-app", action="store_true", help="although the subscription has the app")
    command.add_argument("--yes", action="store_true", help="do not ask")
    out = "where the evidence goes, and the record of what was created (default: %(default)s)"
    command.add_argument("--out", metavar="FOLDER", type=Path, default=Path(".local"), help=out)
    command.set_defaults(read=run)


def run(arguments: Namespace) -> CommandResult:
    """Run a trial.

    Raises:
        StopError: if it is not begun.
    """
    if arguments.local:
        enter_the_laptop(os.environ)
    try:
        endpoint, prices = arm_endpoint(os.environ), prices_endpoint(os.environ)
        if arguments.watch:
            return asyncio.run(_watch(arguments, endpoint, prices))
        if not arguments.location:
            message = "say the region: --location westeurope"
            raise StopError(message, MISUSED)
        with open_journal(arguments.out) as journal:
            return asyncio.run(_run(arguments, endpoint, prices, journal))
    except InvalidSettingError as error:
        raise StopError(str(error), MISUSED) from error
    except (CouldNotLookError, AnotherTrialError, UnreadableJournalError, OSError) as error:
        raise StopError(str(error)) from error


async def _refuse(_arguments: Namespace, _operator: object) -> CommandResult:
    message = "a trial is run by ``run``"
    raise AssertionError(message)


async def _watch(arguments: Namespace, endpoint: str, prices: str) -> CommandResult:
    from spot_responder.clients.trials.azure import trial_azure  # noqa: PLC0415 - as below

    logging.getLogger("azure").setLevel(logging.CRITICAL)
    async with trial_azure(endpoint, prices, _now) as azure:
        return await watch(arguments, azure, _now, _tell)


async def _run(arguments: Namespace, endpoint: str, prices: str, journal: Journal) -> CommandResult:
    # As in commands/run.py: the SDKs take long to import.
    from spot_responder.clients.trials.azure import trial_azure  # noqa: PLC0415

    logging.getLogger("azure").setLevel(logging.CRITICAL)
    async with trial_azure(endpoint, prices, _now) as azure:
        steps = steps_for(arguments.only)
        plan = await _plan(arguments, azure)
        await _take_precautions(arguments, azure, plan, steps)
        remains = journal.remains()
        _ask(arguments, plan, steps, len(remains))
        waits = ON_LAPTOP if arguments.local else IN_AZURE
        left = await take_away(azure, journal, waits, _tell) if remains else []
        if left:
            message = f"an earlier trial has left what cannot be taken away: {'; '.join(left)}"
            raise StopError(message)
        seen = Observations(endpoint, location=plan.location, size=plan.size)
        field = Field(azure, journal, plan, seen, waits, _now, _tell)
        failed, left = await run_trial(field, steps, keep=arguments.keep)
        found = judged(seen, arguments.only, failed.items())
        return _written(arguments, plan, seen, found, left)


async def _plan(arguments: Namespace, azure: Azure) -> Plan:
    login = await azure.login()
    price = max_price(arguments.max_cost)
    run_id = secrets.token_hex(4)
    return Plan(run_id, arguments.subscription.lower(), arguments.location, arguments.size, price, login)


async def _take_precautions(arguments: Namespace, azure: Azure, plan: Plan, steps: tuple[Step, ...]) -> None:
    there = await find_app(azure, plan)
    if there and not arguments.beside_app:
        message = f"{there}: take another subscription, or say --beside-app; nothing was created"
        raise StopError(message)
    lacking = await find_lacking_rights(azure, plan, steps)
    if lacking:
        message = f"{plan.login.name} lacks rights that the trial needs: {', '.join(lacking)}; nothing was created"
        raise StopError(message)


def _ask(arguments: Namespace, plan: Plan, steps: tuple[Step, ...], remains: int) -> None:
    """Say what will be done, and go on only where somebody wants it.

    Raises:
        StopError: if nobody does.
    """
    said = (plan.subscription, plan.location, plan.size, arguments.max_cost, plan.login.name, remains)
    _tell(announcement(steps, *said).rstrip())
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        message = "nobody can be asked here: say --yes; nothing was created"
        raise StopError(message, MISUSED)
    sys.stderr.write("Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        message = "nothing was created"
        raise StopError(message)


def _written(
    arguments: Namespace, plan: Plan, seen: Observations, found: Mapping[str, Found], left: list[str]
) -> CommandResult:
    """Write the evidence, and give it."""
    known = (plan.subscription, plan.run, plan.login.name, plan.login.object_id)
    redaction = redaction_of(seen, tuple(each for each in known if each))
    day = _now().strftime("%Y-%m-%d")
    beliefs = belief_list(found, redaction)
    heading = f"Trial of {day} in {plan.location}, {plan.size}{', on the laptop Azure' if arguments.local else ''}"
    evidence = {"heading": heading, "laptop": arguments.local, "beliefs": beliefs, **payloads(seen, redaction)}
    _write(arguments.out / f"trial-{day}.json", evidence)
    _write(arguments.out / "trial.json", beliefs)
    (arguments.out / f"trial-{day}.md").write_text(page(found, seen, redaction, heading), encoding="utf-8")
    wrong = any(each.verdict is Verdict.DOES_NOT_HOLD for each in found.values())
    content = {"beliefs": beliefs, "left": left, "page": str(arguments.out / f"trial-{day}.md")}
    return CommandResult(
        content,
        lambda console: render(beliefs, left, content["page"], counts(found), console),
        WRONG if wrong or left else FINE,
    )


def render(beliefs: list[dict[str, Any]], left: list[str], page_file: object, counted: str, console: Console) -> str:
    """Write the verdicts, and the counts last."""
    rows = [[each["belief"], each["verdict"], shortened(str(each["how"]), 90)] for each in beliefs]
    kept = "".join(f"left behind: {each}\n" for each in left)
    return f"{console.table(('belief', 'verdict', 'how'), rows)}\n{kept}evidence: {page_file}\n{counted}\n"


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _now() -> datetime:
    return datetime.now(UTC)


def _subscription(text: str) -> str:
    return _matching(_SUBSCRIPTION, text, "no id of a subscription")


def _location(text: str) -> str:
    return _matching(_LOCATION, text, "no name of a region, such as westeurope")


def _size(text: str) -> str:
    return _matching(_SIZE, text, "no size of a VM, such as Standard_D2s_v5")


def _matching(pattern: re.Pattern[str], text: str, what: str) -> str:
    if pattern.fullmatch(text):
        return text
    message = f"{shortened(text, 100)!r} is {what}"
    raise argparse.ArgumentTypeError(message)


def _usd(text: str) -> float:
    if re.fullmatch(r"\d{1,3}(\.\d{1,2})?", text, re.ASCII) and _LEAST_USD <= float(text) <= _MOST_USD:
        return float(text)
    message = f"{shortened(text, 100)!r} is no amount from {_LEAST_USD:.2f} to {_MOST_USD:.0f}"
    raise argparse.ArgumentTypeError(message)


def _beliefs(text: str) -> frozenset[str]:
    wanted = frozenset(each.strip().upper() for each in text.split(",") if each.strip())
    unknown = sorted(wanted - BELIEFS)
    if wanted and not unknown:
        return wanted
    message = f"no belief is called {', '.join(unknown) or shortened(text, 100)!r}: docs/azure-assumptions.md has them"
    raise argparse.ArgumentTypeError(message)
