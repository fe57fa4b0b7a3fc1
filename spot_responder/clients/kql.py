"""Resource Graph queries: read from ``queries/*.kql``, with their parameters filled in. Called by ``graph.py``.

A file is valid KQL as it stands, so that it can be pasted into the portal's explorer: a parameter is a string literal
such as ``'{vm_ids}'``, which stands alone or as the only item of a list.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

from spot_responder.text import shortened

QUERIES: Final = Path(__file__).resolve().parents[2] / "queries"
_PARAMETER: Final = re.compile(r"'\{(\w+)\}'")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class QueryParameterError(ValueError):
    """A parameter is missing, unknown, empty or not fit for a query; the message names file and parameter."""


@cache
def read_query(name: str) -> str:
    """Give the text of ``queries/NAME.kql``."""
    return (QUERIES / f"{name}.kql").read_text(encoding="utf-8")


def fill(name: str, text: str, **parameters: str | list[str]) -> str:
    """Put each parameter into the query as one or more quoted string literals; never as anything else.

    Raises:
        QueryParameterError: if the parameters are not exactly those of the query, or one has no place in it.
    """
    wanted = set(_PARAMETER.findall(text))
    if wanted != set(parameters):
        message = f"queries/{name}.kql takes the parameters {sorted(wanted)}, and was given {sorted(parameters)}"
        raise QueryParameterError(message)
    literals = {key: _literals(name, key, value) for key, value in parameters.items()}
    return _PARAMETER.sub(lambda match: literals[match[1]], text)


def _literals(name: str, parameter: str, value: str | list[str]) -> str:
    items = [value] if isinstance(value, str) else value
    if not items or not all(items):
        message = f"parameter {parameter} of queries/{name}.kql is empty"
        raise QueryParameterError(message)
    for item in items:
        if _UNPRINTABLE.search(item):
            message = f"parameter {parameter} of queries/{name}.kql holds a control character: {shortened(item, 200)!r}"
            raise QueryParameterError(message)
    return ", ".join("'" + item.replace("\\", "\\\\").replace("'", "\\'") + "'" for item in items)
