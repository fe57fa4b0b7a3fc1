"""``trial``: finds out in a subscription which beliefs about Azure are true. ``trial/run.py`` does it.

It knows nothing of the app's settings: it needs a login and a subscription only.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from spot_responder.commands.arguments import add_command
from spot_responder.commands.local import enter_the_laptop
from spot_responder.commands.trials import words
from spot_responder.commands.trials.evidence import begin_evidence
from spot_responder.commands.trials.remains import check_journal, taken_away, told_left
from spot_responder.commands.trials.watch import watch
from spot_responder.commands.trials.writing import Writing
from spot_responder.operators.ports import CouldNotLookError
from spot_responder.settings import InvalidSettingError, arm_endpoint, prices_endpoint
from spot_responder.terminal.interrupts import ended_by_signals
from spot_responder.terminal.output import complain
from spot_responder.terminal.results import MISUSED, StopError
from spot_responder.trial.clock import AzuresClock
from spot_responder.trial.field import IN_AZURE, ON_LAPTOP, Field, Plan, Waits
from spot_responder.trial.journal import (
    JOURNAL,
    LAPTOP_JOURNAL,
    AnotherTrialError,
    UnreadableJournalError,
    UnwritableJournalError,
    open_journal,
)
from spot_responder.trial.precautions import find_app, find_lacking_rights
from spot_responder.trial.removal import take_away
from spot_responder.trial.run import run_trial
from spot_responder.trial.shielding import to_its_end
from spot_responder.trial.views.announcement import announcement, max_price
from spot_responder.trial.views.checks import steps_for
from spot_responder.trial.views.observations import Observations
from spot_responder.trial.views.report import clock_told

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Awaitable, Callable

    from spot_responder.commands.arguments import Commands
    from spot_responder.terminal.results import CommandResult
    from spot_responder.trial.journal import Journal
    from spot_responder.trial.ports import Azure
    from spot_responder.trial.views.verdicts import Step

EXAMPLES: Final = """\
  .venv/bin/spot-responder trial --subscription 00000000-0000-0000-0000-000000000000 --location westeurope
  .venv/bin/spot-responder trial --subscription … --location westeurope --only G5,G9,R6     creates nothing
  .venv/bin/spot-responder trial --subscription … --watch     creates nothing: watches the fleet until Ctrl-C
  .venv/bin/spot-responder trial --subscription … --take-away     deletes what earlier trials have left there

It says what it will create, what that costs at most and how long it takes, and asks. It takes everything away at its
end, also after Ctrl-C, SIGTERM or a terminal that is closed; after a crash the next trial does. It touches nothing that
it did not create. It refuses a subscription that has the app, unless --beside-app. What it found stays on this
computer. Ends with 1 where a belief does not hold, or something was left.
"""


def add(commands: Commands) -> None:
    """Add the command."""
    what = "try in a subscription what is believed about Azure, with one small Spot VM, and write down what is true"
    command = add_command(commands, "trial", what, _refuse, examples=EXAMPLES)
    command.add_argument("--subscription", required=True, metavar="ID", type=words.subscription, help="where to try it")
    command.add_argument("--location", metavar="L", type=words.location, help="the region: westeurope")
    beside = "create nothing: watch the Spot VMs that are there until Ctrl-C, and write down what happens to them"
    command.add_argument("--watch", action="store_true", help=beside)
    left = "try nothing: delete what earlier trials have left in the subscription, by the record in the folder"
    command.add_argument("--take-away", action="store_true", help=left)
    size = "the size of the VM (default: %(default)s)"
    command.add_argument("--size", metavar="S", type=words.size, default="Standard_D2s_v5", help=size)
    cost = "what it may cost at most, in USD (default: %(default)s)"
    command.add_argument("--max-cost", metavar="USD", type=words.usd, default=1.0, help=cost)
    only = "check these beliefs only, and create no more than they need"
    command.add_argument("--only", metavar="E1,G1,…", type=words.beliefs, default=frozenset(), help=only)
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
        KeyboardInterrupt: if it was interrupted before it could come to its end.
    """
    if arguments.local:
        enter_the_laptop(os.environ)
    try:
        endpoint, prices = arm_endpoint(os.environ), prices_endpoint(os.environ)
        # ARM's address may be that of a laptop Azure without --local, too: `make az-env` sets it so.
        arguments.on_laptop = arguments.local or urlsplit(endpoint).hostname in {"127.0.0.1", "localhost", "::1"}
        if arguments.watch and arguments.take_away:
            message = "--watch only reads, and --take-away deletes: say one of them"
            raise StopError(message, MISUSED)
        if arguments.watch:
            return asyncio.run(_in_azure(endpoint, prices, partial(_watch, arguments)))
        if not arguments.location and not arguments.take_away:
            message = "say the region: --location westeurope"
            raise StopError(message, MISUSED)
        with open_journal(arguments.out, LAPTOP_JOURNAL if arguments.on_laptop else JOURNAL) as journal:
            try:
                do = _take_away if arguments.take_away else _try
                return asyncio.run(_in_azure(endpoint, prices, partial(do, arguments, journal)))
            except (KeyboardInterrupt, asyncio.CancelledError):
                _complain_of_left(arguments, journal)
                raise KeyboardInterrupt from None
            except (StopError, UnreadableJournalError):
                # Nothing was created, and it says what an earlier trial has left.
                raise
            except BaseException:
                _complain_of_left(arguments, journal)
                raise
    except InvalidSettingError as error:
        raise StopError(str(error), MISUSED) from error
    except (CouldNotLookError, AnotherTrialError, UnreadableJournalError, UnwritableJournalError, OSError) as error:
        raise StopError(str(error)) from error


def _complain_of_left(arguments: Namespace, journal: Journal) -> None:
    left = told_left(arguments, [made.resource_id for made in journal.remains()])
    if left:
        complain(left.rstrip())


async def _refuse(_arguments: Namespace, _operator: object) -> CommandResult:
    message = "a trial is run by ``run``"
    raise AssertionError(message)


async def _in_azure(
    endpoint: str, prices: str, do: Callable[[Azure, AzuresClock], Awaitable[CommandResult]]
) -> CommandResult:
    # As in commands/run.py: the SDKs take long to import.
    from spot_responder.clients.trials.azure import trial_azure  # noqa: PLC0415

    logging.getLogger("azure").setLevel(logging.CRITICAL)
    clock = AzuresClock(_now)
    with ended_by_signals():
        async with trial_azure(endpoint, prices, clock) as azure:
            return await do(azure, clock)


async def _watch(arguments: Namespace, azure: Azure, clock: AzuresClock) -> CommandResult:
    return await watch(arguments, azure, clock, complain)


async def _take_away(arguments: Namespace, journal: Journal, azure: Azure, _clock: AzuresClock) -> CommandResult:
    return await taken_away(arguments, azure, journal, _waits(arguments), complain)


def _waits(arguments: Namespace) -> Waits:
    return ON_LAPTOP if arguments.on_laptop else IN_AZURE


async def _try(arguments: Namespace, journal: Journal, azure: Azure, clock: AzuresClock) -> CommandResult:
    check_journal(arguments, journal)
    steps = steps_for(arguments.only)
    plan = await _plan(arguments, azure)
    await _take_precautions(arguments, azure, plan, steps)
    remains = journal.remains()
    await _ask(arguments, plan, steps, len(remains))
    waits = _waits(arguments)
    left = await _earlier_taken_away(azure, journal, plan, waits) if remains else []
    if left:
        message = f"an earlier trial has left what cannot be taken away: {'; '.join(left)}; nothing was created"
        raise StopError(message)
    evidence = begin_evidence(arguments.out, "trial", clock.now(), on_laptop=arguments.on_laptop)
    complain(f"{clock_told(clock.ahead)}.")
    seen = Observations(azure.endpoint, location=plan.location, size=plan.size)
    writing = Writing(arguments, plan, seen, clock, clock.now(), evidence)
    field = Field(azure, journal, plan, seen, waits, clock.now, complain)
    _, left = await run_trial(field, steps, keep=arguments.keep, seen=writing.write)
    return writing.result(left, len(journal.remains()))


async def _earlier_taken_away(azure: Azure, journal: Journal, plan: Plan, waits: Waits) -> list[str]:
    work = take_away(azure, journal, plan.subscription, waits, complain)
    left, cancelled = await to_its_end(work, complain, announced=False)
    if cancelled:
        raise asyncio.CancelledError
    return left


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


async def _ask(arguments: Namespace, plan: Plan, steps: tuple[Step, ...], remains: int) -> None:
    """Say what will be done, and go on only where somebody wants it.

    Raises:
        StopError: if nobody does.
    """
    said = (plan.subscription, plan.location, plan.size, arguments.max_cost, plan.login.name, remains)
    complain(announcement(steps, *said, keep=arguments.keep).rstrip())
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        message = "nobody can be asked here: say --yes; nothing was created"
        raise StopError(message, MISUSED)
    sys.stderr.write("Go on? [y/N] ")
    sys.stderr.flush()
    await _until_typed()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        message = "nothing was created"
        raise StopError(message)


async def _until_typed() -> None:
    """Wait for a line of the terminal without blocking the event loop: Ctrl-C is heard by that."""
    loop = asyncio.get_running_loop()
    typed = asyncio.Event()
    loop.add_reader(sys.stdin, typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(sys.stdin)


def _now() -> datetime:
    return datetime.now(UTC)
