"""How a command is written in an advice, ready to be copied into a shell. Pure; called by views, log and page."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

PROGRAM: Final = ".venv/bin/spot-responder"
"""The program as `make setup` installs it, from the clone's folder: the only spelling in use."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Writes the operator's commands. ``local``: with ``--local``, for the laptop Azure.

    Without it, a copied line would act on whatever Azure the shell is set up for.
    """

    local: bool = False

    def __call__(self, *words: object) -> str:
        """Write a command: ``.venv/bin/spot-responder explain vm-1``."""
        return shell_words(PROGRAM, *words, *(["--local"] if self.local else []))


def shell_words(*words: object) -> str:
    """Join words for a shell: a name with brackets, or letters of another script, stays one word."""
    return " ".join(shlex.quote(str(word)) for word in words)
