"""Shows a list: as JSON for programs, in columns for people."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

_LONGEST: Final = 60
_LONGEST_AT_END: Final = 500


def show(rows: list[dict[str, Any]], columns: tuple[str, ...], *, as_json: bool) -> None:
    """Print rows; people see these columns only, the last one as a whole, and where there is none, a line on stderr."""
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    if not rows:
        sys.stderr.write("spot-worker: there is nothing yet, or no such queue or table\n")
        return
    longest = [*[_LONGEST] * (len(columns) - 1), _LONGEST_AT_END]
    lines = [columns, *([_short(row.get(name), most) for name, most in zip(columns, longest)] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    for line in lines:
        sys.stdout.write("  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip() + "\n")


def _short(value: Any, most: int) -> str:  # noqa: ANN401 - any JSON value
    text = " ".join(value.split()) if isinstance(value, str) else json.dumps(value)
    # What a terminal would obey, and what is no letter at all, is shown as it would be written in Python.
    text = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return text if len(text) <= most else text[: most - 3] + "..."
