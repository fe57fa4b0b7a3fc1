"""Runs the product's commands in this process, as an operator of the laptop Azure. Called by ``examples.py``."""

from __future__ import annotations

import io
import json
import os
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spot_responder.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    exit_code: int
    out: str
    err: str

    @property
    def content(self) -> Any:  # noqa: ANN401 - whatever JSON there is
        """Read what it printed as JSON."""
        return json.loads(self.out)


def run_command(arguments: tuple[str, ...], environment: Mapping[str, str]) -> Done:
    """Run a command; from a thread in which no event loop runs."""
    out, err = io.StringIO(), io.StringIO()
    with _environment(environment), redirect_stdout(out), redirect_stderr(err):
        exit_code = main(arguments)
    return Done(exit_code, out.getvalue(), err.getvalue())


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have these variables for a while, and nothing of a developer's own."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update({"PATH": before.get("PATH", os.defpath), **variables})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
