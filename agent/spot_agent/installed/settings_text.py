"""The text of ``agent.ini``: what ``install`` writes at first, and a key put into what its owner has written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_TEXT: Final = """\
# The configuration of spot-agent. Every key may be left out; one that is not known is refused.
# After a change: spot-agent check, then systemctl restart spot-agent
[agent]
# Where GET /health answers the probe of a load balancer:
# health_port = 8099
# With the responder: the queue of its agents, and which managed identity, where the VM has several.
# queue = https://ACCOUNT.queue.core.windows.net/agents
# client_id = CLIENT_ID

# Units that are stopped before the VM goes, and started when the work is to go on:
# [units]
# stop = worker.service

# A limit for the hook /etc/spot-agent/hooks/preempt/save:
# [hook preempt/save]
# limit_s = 10
"""
_AGENT: Final = re.compile(r"^\[agent\]", re.MULTILINE)
_SECTION: Final = re.compile(r"^\[", re.MULTILINE)


def with_keys(text: str, keys: Mapping[str, str]) -> str:
    """Put keys into the section ``[agent]``, each in place of what it was; all other lines stay as they are."""
    if not keys:
        return text
    text = text if text.endswith("\n") else text + "\n"
    head = _AGENT.search(text)
    if head is None:
        text, begin = text + "[agent]\n", len(text) + len("[agent]\n")
    else:
        begin = text.index("\n", head.end()) + 1
    following = _SECTION.search(text, begin)
    end = following.start() if following else len(text)
    section = text[begin:end]
    for key, value in keys.items():
        section = _with_key(section, key, value)
    return text[:begin] + section + text[end:]


def _with_key(section: str, key: str, value: str) -> str:
    line = f"{key} = {value}\n"
    given = re.compile(rf"^{key}[ \t]*[=:].*\n?", re.MULTILINE | re.IGNORECASE)
    if given.search(section):
        return given.sub(lambda _found: line, section, count=1)
    return line + section
