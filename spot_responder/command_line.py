"""How a command is written for whoever is advised to run it: ready to be copied into a shell. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

PROGRAM: Final = ".venv/bin/spot-responder"
"""Our commands as `make setup` installs them, from the clone's folder: this is how they are spelled everywhere."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Writes our own commands. ``local``: of the laptop Azure, which only a command with ``--local`` looks at.

    Without it, a copied line would act on whatever Azure the shell is set up for.
    """

    local: bool = False

    def __call__(self, *words: object) -> str:
        """Write a command: ``.venv/bin/spot-responder explain vm-1``."""
        return shell_words(PROGRAM, *words, *(["--local"] if self.local else []))


def shell_words(*words: object) -> str:
    """Join words for a shell: a name with brackets, or letters of another script, stays one word."""
    return " ".join(shlex.quote(str(word)) for word in words)
