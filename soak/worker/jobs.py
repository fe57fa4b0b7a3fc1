"""Jobs, drawn at random: what their functions do, and what goes wrong in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from random import Random

_TROUBLES: Final = ("", "", "", "", "", "fails", "fails", "dies", "dies", "kills", "permanent")


def draw(chance: Random, queue: str, number: int, parent: str = "") -> dict[str, Any]:
    """Draw one. Its body says all: the function has no other chance in it, so that each attempt does the same."""
    steps = chance.randint(1, 10)
    trouble = chance.choice(_TROUBLES)
    nexts = []
    if not parent and chance.random() < 1 / 6:
        nexts = [
            {"queue": queue, "body": draw(chance, queue, number, f"job-{number}")} for _ in range(chance.randint(1, 2))
        ]
    return {
        "parent": parent,
        "steps": steps,
        "step_s": chance.choice((0.1, 1.0, 2.0, 5.0)),
        "saves": chance.choice(("due", "due", "always", "never")),
        "is_file": chance.random() < 1 / 3,
        "size": chance.choice((10, 10, 10, 10, 1000, 300_000)),
        "looks": chance.random() < 2 / 3,
        "trouble": trouble,
        "troubled_at": chance.randint(1, steps) if trouble else 0,
        "troubles": chance.choice((1, 2, 4, 5, 99)) if trouble else 0,
        "nexts": nexts,
    }
