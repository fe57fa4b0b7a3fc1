"""``python -m soak.work.mutants``: deliberate bugs in what work queues rest on, each of which their soak must catch."""

from __future__ import annotations

import sys
from typing import Final

from soak.responder.mutants import Mutant, Tried, main

WORK: Final = Tried(
    "soak.work",
    ".",
    ("spot_responder", "localazure", "soak", "queries", "infra", "worker", "agent"),
    (".", "worker", "agent"),
)

_OF_VM: Final = "spot_responder/responder/work/of_vm.py"
_LOOKS: Final = "spot_responder/responder/work/looks.py"
_DEMAND: Final = "spot_responder/demand/decide_demand.py"
_STANDINGS: Final = "spot_responder/demand/standings.py"

MUTANTS: Final = (
    Mutant(
        "live",
        "a VM's own stop counts as its owner's",
        _OF_VM,
        "    own_stops = (*vm_watch.own_stops, *said)\n",
        "    own_stops = ()\n",
    ),
    Mutant(
        "live",
        "the sweep wakes no queue",
        _LOOKS,
        "for queue in self.settings.work_queues)\n        await",
        "for queue in ())\n        await",
    ),
    Mutant(
        "live",
        "a VM without a word is waited for without end",
        _STANDINGS,
        "    if now - since > WORD_WITHIN:\n",
        "    if False:\n",
    ),
    Mutant(
        "busy",
        "a worker stops the VM of others",
        "worker/spot_worker/running/stops/own_stop.py",
        "    return bool(others)\n",
        "    return False\n",
    ),
    Mutant(
        "idle",
        "an idle time of 0 is never",
        "worker/spot_worker/deciding/stops/own_stop.py",
        "    if idle_since_s is None or now_s",
        "    if not rule.idle_s or idle_since_s is None or now_s",
    ),
    Mutant(
        "idle",
        "nobody is told of a VM that stays up",
        _DEMAND,
        "    return Trouble.STAYS_UP if _stays_up(one, look, queue, now) else None\n",
        "    return None\n",
    ),
    Mutant(
        "bounded",
        "VMs that are up do not count against maxVms",
        _DEMAND,
        "    room = queue.max_vms - sum(one.standing.is_up for one in stood) - len(left_out)\n",
        "    room = queue.max_vms\n",
    ),
    Mutant(
        "bounded",
        "a VM that was asked for does not count as coming up",
        _STANDINGS,
        "now - watch.asked_at < ASKED_HOLDS",
        "False",
    ),
    Mutant(
        "safe",
        "a VM is started whether its queue asks for it or not",
        "spot_responder/decisions/decide.py",
        "        *((not_asked_for,) if is_for_work else ()),\n",
        "",
    ),
    Mutant(
        "safe",
        "what a queue asked for before a VM stopped itself starts it again",
        _OF_VM,
        "    if not _may_be_overtaken(situation):\n",
        "    if True:\n",
    ),
    Mutant(
        "safe",
        "whoever stopped a VM after its worker wrote, it counts as its own stop",
        _OF_VM,
        "    if _says_who_asked(signal):\n",
        "    if False:\n",
    ),
)


if __name__ == "__main__":
    sys.exit(main(mutants=MUTANTS, tried=WORK))
