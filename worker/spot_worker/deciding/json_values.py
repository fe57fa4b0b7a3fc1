"""What counts as a JSON value: what JSON itself has no word for (NaN), and what is nested too deep, is none."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

MOST_DEPTH: Final = 100
"""Python's own libraries, which call themselves for each level, end at some hundreds."""
_NOT_IN_XML: Final = re.compile("[\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class NoJsonError(ValueError):
    """It is no JSON value; the text says why."""


def read_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Read a JSON value. Raises ``NoJsonError``."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        message = f"{error.msg} at character {error.pos + 1}"
        raise NoJsonError(message) from error
    except (ValueError, RecursionError) as error:
        raise NoJsonError(str(error)) from error
    check_json(value)
    return value


def check_json(value: Any) -> None:  # noqa: ANN401 - what is looked at
    """Raise ``NoJsonError`` if some number in it is none, or it is nested too deep."""
    level = [value]
    for _ in range(MOST_DEPTH):
        if any(isinstance(one, float) and not math.isfinite(one) for one in level):
            message = "NaN and Infinity are no JSON"
            raise NoJsonError(message)
        level = [part for one in level for part in _parts(one)]
        if not level:
            return
    message = f"it is nested more than {MOST_DEPTH} levels deep"
    raise NoJsonError(message)


def write_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write a value in ASCII. Raises ``NoJsonError``; ``TypeError`` where there is no way to write it."""
    check_json(value)
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def write_json_short(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write a value in all signs that XML can carry: shorter than ASCII where people write in other alphabets."""
    check_json(value)
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return _NOT_IN_XML.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def _parts(value: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any value
    if isinstance(value, dict):
        return tuple(value.values())
    return tuple(value) if isinstance(value, (list, tuple)) else ()
