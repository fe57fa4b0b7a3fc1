"""Tags that look like the restart tag misspelled: shown to the operator, never acted on. Pure.

Azure compares tag names without regard to case, and the app compares the value so: neither is a mistake. A value such
as ``false`` or ``no`` is an owner's wish, and no mistake either. Called by ``explanation.py`` and ``plan.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from spot_responder.advised_command import shell_words
from spot_responder.decisions.work import serves_work

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_responder.decisions.policy import Policy
    from spot_responder.intake.vms import Vm, VmId

_MEANT_AS_TRUE: Final = frozenset({"1", "y", "yes", "on", "ok", "t", "enable", "enabled", "restart", "always"})
_LIKE: Final = 0.85
"""How alike two names must be: one or two letters of ``AttemptRestartAfterEviction`` wrong, missing or too many."""

_VALUE_LIKE: Final = 0.75
"""How alike a value and "true" must be: ``ture``, ``treu``, ``truee``, ``tru``; not ``tag`` or ``rule``."""

_QUOTES: Final = "\"'`\u201c\u201d\u2018\u2019 \t"


@dataclass(frozen=True, slots=True)
class TagTypo:
    """A tag of a VM, and what is wrong with it in one sentence."""

    name: str
    value: str
    what: str


def is_left_to_the_tag(vm: Vm, policy: Policy) -> bool:
    """Whether the restart tag decides about the VM: of one that serves a work queue, that queue alone does."""
    return vm.is_spot and not serves_work(vm, policy)


def tag_typos(tags: Mapping[str, str], restart_tag: str) -> tuple[TagTypo, ...]:
    """Give the tags that look like the restart tag misspelled."""
    found = [_tag_typo(name, value, restart_tag) for name, value in tags.items()]
    return tuple(each for each in found if each)


def tag_command(vm_id: VmId, tag: str, value: str = "true") -> str:
    """Give the command that sets a tag of a VM, and leaves its others."""
    return shell_words(
        "az", "tag", "update", "--operation", "Merge", "--resource-id", vm_id, "--tags", f"{tag}={value}"
    )


def _tag_typo(name: str, value: str, restart_tag: str) -> TagTypo | None:
    if name.lower() == restart_tag.lower():
        what = _wrong_value(value)
        return TagTypo(name, value, f"it has {name}={value!r}, {what} (only 'true' counts)") if what else None
    if not _is_like(_letters(name), _letters(restart_tag)) or _is_no(value):
        return None
    return TagTypo(name, value, f"it has a tag {name!r}, which is not {restart_tag}")


def _wrong_value(value: str) -> str:
    plain = value.strip(_QUOTES).lower()
    if value.lower() == "true":
        return ""
    if plain == "true":
        return "with blanks or quotes around the word"
    if not plain:
        return "which is empty"
    if plain in _MEANT_AS_TRUE:
        return "which was surely meant as true"
    return "which looks like true" if _ratio(plain, "true") >= _VALUE_LIKE else ""


def _is_no(value: str) -> bool:
    return value.strip(_QUOTES).lower() in {"false", "no", "0", "off", "n", "never", "disabled"}


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_like(one: str, other: str) -> bool:
    return _ratio(one, other) >= _LIKE


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
