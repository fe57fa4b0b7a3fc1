# ruff: noqa: INP001, ANN401, SLF001 - a script beside the packages; az has no types, and hides what its parser knows
"""Reads commands of az as az itself would, and sends none. Run by the python of the environment that has azure-cli.

Standard input: a JSON list of commands, each a list of words without the leading ``az``, with ``…`` among them where
the text leaves something out. Standard output: a JSON list as long, with ``""`` for a command that az takes, and what
az says of one that it does not.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
from typing import Any

from azure.cli.core import get_default_cli
from azure.cli.core.commands.events import EVENT_INVOKER_POST_LOAD_ARGUMENTS, EVENT_INVOKER_PRE_LOAD_ARGUMENTS
from knack.events import EVENT_INVOKER_CMD_TBL_LOADED, EVENT_INVOKER_POST_CMD_TBL_CREATE


class Az:
    """az with its whole table of commands loaded, which takes some ten seconds, once."""

    def __init__(self) -> None:
        """Load the table."""
        self._cli = get_default_cli()
        self._loader = self._invocation().commands_loader
        self._loader.load_command_table(None)
        self._table = dict(self._loader.command_table)

    def complaint(self, words: list[str]) -> str:
        """Say what is wrong with a command, ``""`` where nothing is."""
        length = next((n for n in range(len(words), 0, -1) if " ".join(words[:n]) in self._table), 0)
        if not length:
            return self._unless_group(words)
        command, said = " ".join(words[:length]), io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            try:
                parser = self._parser(command)
                if "…" in words or len(words) == length:
                    # Something is left out on purpose: behind an ellipsis, or behind a name in passing.
                    _demand_nothing(parser.subparser_map[command])
                parser.parse_args([word for word in words if word != "…"])
            except SystemExit:
                return " ".join(said.getvalue().split()) or "refused"
        return _given_twice(parser.subparser_map[command], words)

    def _unless_group(self, words: list[str]) -> str:
        """Let the bare name of a group pass: prose speaks of ``az vm``."""
        name = " ".join(words)
        if any(one.startswith(f"{name} ") for one in self._table):
            return ""
        return f"'{name}' is misspelled or not recognized by the system."

    def _invocation(self) -> Any:
        cli = self._cli
        invocation = cli.invocation_cls(
            cli_ctx=cli,
            parser_cls=cli.parser_cls,
            commands_loader_cls=cli.commands_loader_cls,
            help_cls=cli.help_cls,
        )
        cli.invocation = invocation
        return invocation

    def _parser(self, command: str) -> Any:
        """Make the parser of one command, in the steps of az's own ``AzCliCommandInvoker.execute``."""
        invocation, loader = self._invocation(), self._loader
        invocation.commands_loader = loader
        invocation.data["command_string"] = command
        loader.command_table = {command: self._table[command]}
        loader.command_name = command
        self._cli.raise_event(EVENT_INVOKER_PRE_LOAD_ARGUMENTS, commands_loader=loader)
        loader.load_arguments(command)
        self._cli.raise_event(EVENT_INVOKER_POST_LOAD_ARGUMENTS, commands_loader=loader)
        self._cli.raise_event(EVENT_INVOKER_POST_CMD_TBL_CREATE, commands_loader=loader)
        parser = invocation.parser
        parser.cli_ctx = self._cli
        parser.load_command_table(loader)
        self._cli.raise_event(EVENT_INVOKER_CMD_TBL_LOADED, cmd_tbl=loader.command_table, parser=parser)
        return parser


def _demand_nothing(parser: Any) -> None:
    for action in parser._actions:
        action.required = False


def _given_twice(parser: Any, words: list[str]) -> str:
    """Say which option is given twice where the last one silently outdoes the first."""
    options = [parser._option_string_actions.get(word.partition("=")[0]) for word in words]
    for option in options:
        if option is not None and options.count(option) > 1 and "append" not in type(option).__name__.lower():
            return f"{'/'.join(option.option_strings)} is given twice: only the last one counts"
    return ""


if __name__ == "__main__":
    commands = json.load(sys.stdin)
    # az warns of previews, and of a subscription that it does not know.
    logging.disable(logging.WARNING)
    az = Az()
    sys.stdout.write(json.dumps([az.complaint(words) for words in commands]))
