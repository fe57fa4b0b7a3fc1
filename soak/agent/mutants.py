"""``python -m soak.agent.mutants``: deliberate bugs in the agent, each of which its soak must catch."""

from __future__ import annotations

import sys
from typing import Final

from soak.responder.mutants import Mutant, Tried, main

AGENT: Final = Tried(
    "soak.agent",
    "agent/spot_agent/deciding",
    ("agent/spot_agent", "agent/virtual_vm", "soak"),
    (".", "agent"),
)

MUTANTS: Final = (
    Mutant(
        "seen",
        "our name is known in one casing only",
        "plans.py",
        "return any(resource.casefold() == name.casefold()",
        "return any(resource == name",
    ),
    Mutant(
        "seen",
        "what started is over",
        "documents.py",
        "    for one in events:\n",
        '    for one in (e for e in events if not isinstance(e, dict) or e.get("EventStatus") != "Started"):\n',
    ),
    Mutant(
        "seen",
        "an answer is looked at only each fourth second",
        "notices.py",
        "    if last is not None and heard.asked_at < last:\n",
        "    if last is not None and heard.asked_at < last + 4:\n",
    ),
    Mutant(
        "seen",
        "what our killed process had noted is not gone on with",
        "step.py",
        "if notice.is_open and notice.boot_id == boot_id and notice.stage is not Stage.UNDOING:",
        "if False:",
    ),
    Mutant(
        "ours",
        "every event is ours",
        "plans.py",
        "return any(resource.casefold() == name.casefold()",
        "return any(True",
    ),
    Mutant(
        "ours",
        "while our name is not known every event is ours",
        "notices.py",
        "return True if turn.memory.state.machine else None",
        "return True",
    ),
    Mutant(
        "saved",
        "what is essential has a minute",
        "plans.py",
        "ESSENTIAL_BY_S: Final = 5.0",
        "ESSENTIAL_BY_S: Final = 60.0",
    ),
    Mutant(
        "saved",
        "what was written is not put on the disk",
        "phases.py",
        "    turn.put(saved)\n    turn.do(Flush())\n",
        "    turn.put(saved)\n",
    ),
    Mutant(
        "recovered",
        "only what was drained is recovered",
        "recoveries.py",
        "if was_clean and is_same_boot and all(",
        "if all(",
    ),
    Mutant(
        "recovered",
        "what was interrupted goes on under another id",
        "recoveries.py",
        "    if previous.recovery:\n",
        "    if False:\n",
    ),
    Mutant(
        "recovered",
        "a recovery that was interrupted counts as complete",
        "recoveries.py",
        'failed = recovering.failed or ("" if outcome == OK else outcome)',
        'failed = ""',
    ),
    Mutant(
        "recovered",
        "a restart in order is recovered from",
        "recoveries.py",
        "if was_clean and is_same_boot and all(",
        "if False and all(",
    ),
    Mutant(
        "recovered",
        "work is taken before the recovery",
        "step.py",
        "return memory.state.recovery is None and not any(",
        "return not any(",
    ),
    Mutant(
        "held",
        "what has started is over for the next run",
        "step.py",
        "if notice.is_open and notice.boot_id == boot_id and notice.stage is not Stage.UNDOING:",
        "if notice.is_open and notice.boot_id == boot_id and not notice.event.is_started:",
    ),
    Mutant(
        "held",
        "a recovery does not wait for the first document",
        "step.py",
        "return turn.memory.last_asked_at is None and turn.now.monotonic < turn.memory.recovers_from",
        "return False",
    ),
    Mutant(
        "told",
        "an event is told anew in each boot",
        "messages.py",
        "return _message(f\"{event.id}/{kind.rpartition('.')[2]}\"",
        "return _message(f\"{event.id}/{boot_id}/{now.monotonic}/{kind.rpartition('.')[2]}\"",
    ),
    Mutant(
        "told",
        "what the queue does not take is forgotten when we die",
        "outbox.py",
        "unsent=(*state.unsent, message)",
        "unsent=state.unsent",
    ),
    Mutant(
        "told",
        "a recovery of which we cannot tell yet is forgotten",
        "recoveries.py",
        "    if state.machine is None:\n        return\n",
        "    if state.machine is None:\n        done = replace(state, ready=())\n"
        "        turn.memory = turn.memory.with_state(done)\n        return\n",
    ),
    Mutant(
        "acknowledged",
        "an eviction is acknowledged",
        "plans.py",
        'EventType.PREEMPT: Plan("preempt", True, True, Acknowledge.NEVER',
        'EventType.PREEMPT: Plan("preempt", True, True, Acknowledge.WHEN_FINISHED',
    ),
    Mutant(
        "acknowledged",
        "what names others is acknowledged",
        "phases.py",
        "if is_early or not plans.names_alone(notice.event, machine.name):",
        "if is_early:",
    ),
)


if __name__ == "__main__":
    sys.exit(main(mutants=MUTANTS, tried=AGENT))
