"""Template expressions such as ``[format('{0}-poison', variables('signalsQueue'))]``: their grammar and functions.

Only the functions that our own template uses, as Azure documents them. What only a deployment can know, such as an
address or a principal's id, stays a name for itself: ``Unknown``.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

type Value = Any
type Node = tuple[Any, ...]
"""``('literal', value)``, ``('call', function, arguments)`` or ``('get', of, key)``."""

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*(?:\.\w+(?=\())?)|(?P<sign>[()\[\],.]))"
)


class ExpressionError(ValueError):
    """An expression that is not understood; the message shows it."""


class Unknown(str):
    """What is known only when it is deployed; whatever is asked of it is unknown as well."""

    __slots__ = ()


def parse(expression: str) -> Node:
    """Read an expression, without the brackets around it."""
    tokens = _tokens(expression)
    node, rest = _read(tokens)
    if rest:
        message = f"not understood after {node}: {expression}"
        raise ExpressionError(message)
    return node


def _tokens(expression: str) -> list[str]:
    tokens: list[str] = []
    at = 0
    while at < len(expression.rstrip()):
        found = _TOKEN.match(expression, at)
        if not found:
            message = f"not understood at {at}: {expression}"
            raise ExpressionError(message)
        tokens.append(found.group().strip())
        at = found.end()
    return tokens


def _read(tokens: list[str]) -> tuple[Node, list[str]]:
    first, rest = tokens[0], tokens[1:]
    if first.startswith("'"):
        node: Node = ("literal", first[1:-1].replace("''", "'"))
    elif first.lstrip("-").isdigit():
        node = ("literal", int(first))
    else:
        arguments, rest = _read_arguments(rest)
        node = ("call", first, arguments)
    while rest and rest[0] in ".[":
        node, rest = _read_access(node, rest)
    return node, rest


def _read_arguments(tokens: list[str]) -> tuple[list[Node], list[str]]:
    if tokens[:1] != ["("]:
        message = f"an opening bracket is missing before {tokens[:3]}"
        raise ExpressionError(message)
    rest, arguments = tokens[1:], []
    while rest[0] != ")":
        argument, rest = _read(rest)
        arguments.append(argument)
        rest = rest[1:] if rest[0] == "," else rest
    return arguments, rest[1:]


def _read_access(node: Node, tokens: list[str]) -> tuple[Node, list[str]]:
    if tokens[0] == ".":
        return ("get", node, ("literal", tokens[1])), tokens[2:]
    key, rest = _read(tokens[1:])
    return ("get", node, key), rest[1:]


def member(of: Value, key: Value) -> Value:
    """Take a member of an object, in any casing of its name, or an element of an array."""
    if isinstance(of, Unknown):
        return Unknown(f"{of}.{key}")
    if isinstance(of, dict):
        return next(value for name, value in of.items() if name.lower() == key.lower())
    return of[key]


def merged(*objects: Mapping[str, Value]) -> dict[str, Value]:
    """Unite objects as ``union`` does: the last one wins, objects within are united as well."""
    result: dict[str, Value] = {}
    for one in objects:
        for name, value in one.items():
            before = result.get(name)
            result[name] = merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return result


def _union(*values: Value) -> Value:
    """Unite objects, or arrays, of which each value stays once."""
    if isinstance(values[0], list):
        return list(dict.fromkeys(value for one in values for value in one))
    return merged(*values)


def formatted(pattern: str, *values: Value) -> str:
    """Fill in ``{0}``, ``{1}`` and so on."""
    text = re.sub(r"\{(\d+)\}", lambda found: str(values[int(found[1])]), pattern)
    return Unknown(text) if any(isinstance(value, Unknown) for value in values) else text


def _object(*names_and_values: Value) -> dict[str, Value]:
    return dict(zip(names_and_values[::2], names_and_values[1::2], strict=True))


def _items(of: Mapping[str, Value]) -> list[dict[str, Value]]:
    return [{"key": key, "value": of[key]} for key in sorted(of)]


def _try_get(of: Value, *keys: Value) -> Value:
    for key in keys:
        if isinstance(of, dict) and key.lower() not in {name.lower() for name in of}:
            return None
        if isinstance(of, list) and key >= len(of):
            return None
        of = None if of is None else member(of, key)
    return of


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator)


def _first(of: list[Value]) -> Value:
    return of[0] if of else None


def _fail(message: str) -> Value:
    raise ExpressionError(message)


def _coalesce(*values: Value) -> Value:
    return next((value for value in values if value is not None), None)


def _string(value: Value) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"))
    return value if isinstance(value, str) else str(value)


def names_of(*parts: str) -> Iterator[str]:
    """Put a resource's type and name segments together: ``providers/{provider}/{type}/{name}/…``."""
    at = next(index for index, part in enumerate(parts) if "/" in part)
    provider, *types = parts[at].split("/")
    yield from ("providers", provider)
    for kind, name in zip(types, parts[at + 1 :], strict=True):
        yield from (kind, name)


PURE: Final[Mapping[str, Callable[..., Value]]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "coalesce": _coalesce,
    "concat": lambda *lists: [value for one in lists for value in one],
    "contains": lambda of, what: what in of,
    "createArray": lambda *values: list(values),
    "createObject": _object,
    "empty": lambda of: not of,
    "endsWith": lambda text, end: text.lower().endswith(end.lower()),
    "equals": lambda one, other: one == other,
    "fail": _fail,
    "false": lambda: False,
    "first": _first,
    "flatten": lambda of: [value for one in of for value in one],
    "format": formatted,
    "greater": lambda one, other: one > other,
    # Not Azure's hashes, but as theirs the same for the same, and another for another.
    "guid": lambda *parts: str(uuid5(NAMESPACE_URL, "|".join(parts))),
    "indexOf": lambda of, what: of.index(what),
    "items": _items,
    "json": json.loads,
    "join": lambda of, separator: separator.join(of),
    "last": lambda of: of[-1],
    "length": len,
    "range": lambda start, count: list(range(start, start + count)),
    "not": lambda value: not value,
    "null": lambda: None,
    "replace": lambda text, old, new: text.replace(old, new),
    "skip": lambda of, count: of[count:],
    "split": _split,
    "startsWith": lambda text, start: text.lower().startswith(start.lower()),
    "string": _string,
    "toLower": lambda text: text.lower(),
    "true": lambda: True,
    "tryGet": _try_get,
    "union": _union,
    "uniqueString": lambda *parts: uuid5(NAMESPACE_URL, "|".join(parts)).hex[:13],
}
