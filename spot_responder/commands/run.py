"""Runs a command: reads the settings, opens the ports, gives it the time. Called by ``cli.py``."""

from __future__ import annotations

import asyncio
import logging
import sys
import uuid
from argparse import Namespace
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spot_responder.advised_command import CommandLine
from spot_responder.commands.local import enter_the_laptop
from spot_responder.operators.ports import CouldNotLookError
from spot_responder.responder.ports import AzureRefusedError, ChangedMeanwhileError, OddRowError
from spot_responder.settings import InvalidSettingError, Settings
from spot_responder.terminal.results import MISUSED, CommandResult, StopError

if TYPE_CHECKING:
    from spot_responder.operators.ports import OperatorPorts


@dataclass(frozen=True, slots=True)
class Operator:
    """What a command works with.

    ``progress`` overwrites one line of a terminal, and writes nothing elsewhere; ``tell`` writes a line to standard
    error. ``command`` writes the commands that are advised.
    """

    ports: OperatorPorts
    settings: Settings
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    progress: Callable[[str], None]
    tell: Callable[[str], None]
    command: CommandLine


type Run = Callable[[Namespace, Operator], Awaitable[CommandResult]]


def run_as_operator(arguments: Namespace, environment: MutableMapping[str, str]) -> CommandResult:
    """Run a command with the ports open.

    Raises:
        StopError: if it could not be done, in one line.
    """
    if arguments.local:
        enter_the_laptop(environment)
    try:
        settings = Settings.from_env(environment)
    except InvalidSettingError as error:
        message = (
            f"{error}; the commands find the app by its own settings (docs/operations.md), the laptop with --local"
        )
        raise StopError(message, MISUSED) from error
    try:
        return asyncio.run(_run(arguments, settings))
    except (AzureRefusedError, CouldNotLookError, ChangedMeanwhileError, OddRowError) as error:
        raise StopError(str(error)) from error


async def _run(arguments: Namespace, settings: Settings) -> CommandResult:
    # Azure's SDKs take long to import: help and mistakes must not wait for them. And the laptop's certificate has to be
    # in the environment by then.
    from spot_responder.clients.operator_connections import operator_ports  # noqa: PLC0415 - see above

    # The SDKs log errors at length on standard error, and raise them as well.
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    run: Run = arguments.run
    try:
        async with operator_ports(settings) as ports:
            operator = Operator(
                ports,
                settings,
                lambda: datetime.now(UTC),
                lambda: str(uuid.uuid4()),
                _write_over,
                _write_line,
                CommandLine(local=arguments.local),
            )
            return await run(arguments, operator)
    finally:
        _write_over("")


def _write_over(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def _write_line(text: str) -> None:
    _write_over("")
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
