"""What several commands are given: the storage account, and the names of what is in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from spot_worker.deciding.names import places

if TYPE_CHECKING:
    import argparse

    from spot_worker.deciding.names import Places
    from spot_worker.edges.account import Account

_VARIABLE: Final = "AZURE_STORAGE_CONNECTION_STRING"


class UsageError(Exception):
    """The command was called wrongly; one line that says how."""


def add_account(parser: argparse.ArgumentParser) -> None:
    """Let a command be told which storage account."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--account", metavar="NAME", help="storage account; signs in as the VM, or as you are signed in")
    which.add_argument("--connection-string", metavar="S", help=f"of the storage account; else {_VARIABLE} is used")


def add_places(parser: argparse.ArgumentParser) -> None:
    """Let a command be told which queue, container and table."""
    parser.add_argument("--queue", required=True, metavar="NAME", help="the queue of jobs")
    parser.add_argument("--checkpoints", metavar="CONTAINER", help="container of checkpoints (QUEUE-checkpoints)")
    parser.add_argument("--results", metavar="TABLE", help="table of results (QUEUE without hyphens, then results)")


def account_of(given: argparse.Namespace) -> Account:
    """Give the storage account. Raises ``UsageError``."""
    from spot_worker.edges import account  # noqa: PLC0415 - Azure's libraries take a second to import

    if given.account:
        return account.by_name(given.account)
    text = given.connection_string or os.environ.get(_VARIABLE, "").strip()
    if not text:
        message = f"which storage account? Give --account NAME or --connection-string S, or set {_VARIABLE}"
        raise UsageError(message)
    try:
        return account.by_connection_string(text)
    except ValueError as error:
        message = f"the connection string cannot be used: {error}"
        raise UsageError(message) from error


def places_of(given: argparse.Namespace) -> Places:
    """Name what belongs to the queue. Raises ``BadNameError``."""
    return places(given.queue, given.checkpoints, given.results)
