"""What the watcher asks of the helper: one word out of ``WORDS``, and for hooks the facts that they are told.

A request is one line: the word, and for hooks a space and a JSON object. The word alone says what is run: there is no
path, no command, no name of a unit in a request. The facts reach hooks as what they are, words about an event.
An answer is lines of JSON, the last of which has ``over``.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Union

from spot_agent.deciding.actions import RunHooks, StartUnits, StopUnits
from spot_agent.deciding.plans import LONGEST_RECOVERY_S, PLANS

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_REQUEST: Final = 1024 * 1024
"""An event may name a thousand VMs."""
END: Final = b"end\n"
"""What the watcher may say later, on the same connection: the hooks are to end."""
RUN: Final = "asked"
"""How a run is called within the helper: it does one thing."""
_LONGEST_VALUE: Final = 4096
_VARIABLE: Final = re.compile(r"SPOT_AGENT_[A-Z_]{1,40}")


@dataclass(frozen=True)
class Begin:
    """A watcher begins: hooks that one before it left are ended, and the configuration of now is kept for its time."""


Asked = Union[Begin, StopUnits, StartUnits, RunHooks]

_WITHOUT_FACTS: Final[Mapping[str, Asked]] = MappingProxyType(
    {"begin": Begin(), "stop-units": StopUnits(RUN), "start-units": StartUnits(RUN)}
)
_HOOKS: Final[Mapping[str, tuple[str, bool | None]]] = MappingProxyType(
    {
        **{f"{plan.folder}-essential": (plan.folder, True) for plan in PLANS.values()},
        **{f"{plan.folder}-rest": (plan.folder, False) for plan in PLANS.values()},
        "cancelled": ("cancelled", None),
        "recover": ("recover", None),
    }
)
WORDS: Final = frozenset({*_WITHOUT_FACTS, *_HOOKS})


class RefusedError(Exception):
    """The request is none that the helper takes."""


def write_request(asked: Asked) -> bytes:
    """Put what is asked into a line."""
    if not isinstance(asked, RunHooks):
        word = {Begin: "begin", StopUnits: "stop-units", StartUnits: "start-units"}[type(asked)]
        return f"{word}\n".encode()
    word = next(word for word, hooks in _HOOKS.items() if hooks == (asked.folder, asked.essential))
    facts = {
        "default_s": asked.default_s,
        "cap_s": asked.cap_s,
        "variables": dict(asked.variables),
        "details": dict(asked.details),
        "skip": list(asked.skip),
    }
    return f"{word} {json.dumps(facts)}\n".encode()


def read_request(line: bytes) -> Asked:
    """Read a line. Raises ``RefusedError``."""
    word, _, facts = line.decode("utf-8", "replace").rstrip("\n").partition(" ")
    if word in _WITHOUT_FACTS and not facts:
        return _WITHOUT_FACTS[word]
    if word not in _HOOKS:
        message = f"{word[:40]!r} is no word that the helper knows"
        raise RefusedError(message)
    folder, essential = _HOOKS[word]
    try:
        return _with_facts(folder, essential, json.loads(facts))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        message = f"{word}: its facts cannot be read: {error!r}"
        raise RefusedError(message) from error


def _with_facts(folder: str, essential: bool | None, facts: Any) -> RunHooks:  # noqa: ANN401, FBT001 - as it was sent
    variables = {str(name): _value(name, value) for name, value in facts["variables"].items()}
    details = facts["details"]
    if not isinstance(details, dict):
        message = "details are an object"
        raise TypeError(message)
    skip = tuple(map(str, facts["skip"]))
    return RunHooks(
        RUN, folder, essential, _seconds(facts["default_s"]), _seconds(facts["cap_s"]), variables, details, skip
    )


def _value(name: str, value: Any) -> str:  # noqa: ANN401 - as it was sent
    if not _VARIABLE.fullmatch(name):
        message = f"{name[:40]!r} is no variable of a hook"
        raise ValueError(message)
    if not isinstance(value, str) or len(value) > _LONGEST_VALUE or "\0" in value:
        message = f"{name}: not a text that a variable can have"
        raise ValueError(message)
    return value


def _seconds(value: Any) -> float:  # noqa: ANN401 - as it was sent
    seconds = float(value)
    if not (math.isfinite(seconds) and 0 <= seconds <= LONGEST_RECOVERY_S):
        message = f"{seconds} is no limit of a hook"
        raise ValueError(message)
    return seconds
