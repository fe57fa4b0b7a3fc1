"""The fuzz: mutated events and rubbish for the whole app, in a world where no VM may be started.

``python -m soak.responder.fuzz`` (``make fuzz``) writes the result into ``.local/fuzz.json``. Whatever comes: nothing
crashes, nothing is started, each message ends where it belongs, and none delays another. ``mutations.py`` makes the
messages.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from localazure.virtual.app import POISON_AT, Deployment
from localazure.virtual.azure import VirtualAzure
from localazure.virtual.wire import RequestKind
from soak.command_line import seed_or_any, write_report
from soak.responder.faults import REFUSALS, FaultRates, Faults, Outage
from soak.responder.mutations import Mutator, read_payloads
from soak.responder.schedule import TEN
from soak.responder.story import TAG
from spot_responder.decisions.policy import Policy
from spot_responder.intake.inboxes import read_from
from spot_responder.intake.payloads import UnreadableEvent, parse_body
from spot_responder.intake.signals import Inbox, Signal, SignalKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from localazure.virtual.storage import Message

REPORT: Final = Path(__file__).resolve().parents[2] / ".local" / "fuzz.json"
CASES_AT_ONCE: Final = 25
"""So many messages go into one world."""

ALL_OVER_WITHIN: Final = timedelta(hours=3)
"""No message keeps the app busy for longer: an eviction that is told of a VM that runs, for five minutes."""

MOST_LOOKS: Final = 60
"""So many messages may come of one, at most: a look every 15 seconds for five minutes, and some."""

_SHOWN: Final = 40


@dataclass(slots=True)
class Fuzzed:
    """What came of some messages. ``broken`` has a line for each promise that did not hold."""

    cases: int = 0
    starts: int = 0
    looks: int = 0
    poison: int = 0
    read: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def fuzz(seed: int) -> Fuzzed:
    """Give one world a number of messages; the same ones for the same seed."""
    chance = Random(seed)  # noqa: S311 - no secret
    fuzzed = Fuzzed()
    faults = Faults(FaultRates(), chance)
    with VirtualAzure(TEN, Deployment(Policy()), chance=chance, fault_plan=faults) as azure:
        faults.tell_time_by(azure.clock)
        _set_the_scene(azure)
        if chance.random() < 0.5:  # noqa: PLR2004 - as often as not
            _begin_an_outage(azure, faults, chance)
        ids = [machine.vm_id for machine in azure.world.machines()]
        mutator = Mutator(chance, ids, f"{azure.clock.now():%Y-%m-%dT}", _payloads())
        azure.app.failed = lambda message, error: _note_failure(fuzzed, message, error)
        before = azure.app.handled
        for _ in range(CASES_AT_ONCE):
            body, inbox = _message(mutator, chance, fuzzed)
            azure.app.put(body, timedelta(seconds=chance.uniform(0, 600)), inbox=inbox)
        azure.run_for(ALL_OVER_WITHIN)
        fuzzed.looks = azure.app.handled - before
        _judge(azure, faults, fuzzed)
    return fuzzed


def _set_the_scene(azure: VirtualAzure) -> None:
    """Make a VM of each kind that must not be started, all down but one; and let the app hear of the owner's stop."""
    world = azure.world
    restoring = world.add_scale_set("set-1", restore_policy=True)
    world.add_vm("running-1", tags=TAG)
    world.add_vm("stopped-1", tags=TAG)
    world.add_vm("untagged-1")
    world.add_vm("regular-1", tags=TAG, priority="Regular")
    world.add_vm("in-a-set-1", tags=TAG, scale_set_id=restoring)
    world.add_vm("shut-down-1", tags=TAG, power_state="stopped")
    world.evict("untagged-1")
    world.evict("in-a-set-1")
    world.stop_by_owner("stopped-1")
    world.stop_by_owner("regular-1")
    azure.run_for(timedelta(minutes=2))


def _begin_an_outage(azure: VirtualAzure, faults: Faults, chance: Random) -> None:
    """Let Azure not answer for a while, so that signals are requeued, as they are."""
    request_kind = chance.choice((RequestKind.GRAPH, RequestKind.VM_READ, RequestKind.ROW_READ, RequestKind.ROW_WRITE))
    now = azure.clock.now()
    faults.outages.append(Outage(request_kind, now, now + timedelta(minutes=9), chance.choice(REFUSALS[request_kind])))


def _message(mutator: Mutator, chance: Random, fuzzed: Fuzzed) -> tuple[str | bytes, Inbox]:
    """Make a message and choose its queue, as a rule its own.

    It is none that is in itself a sound word of an eviction, or a start, after the owner's stop. That one may start the
    VM: what a forged message can do is in ``tests/responder/test_forged.py``.
    """
    while True:
        body = mutator.giant() if chance.random() < 0.02 else mutator.message()  # noqa: PLR2004 - now and then
        is_agents = "spotagent." in str(body).lower()
        inbox = Inbox.AGENTS if is_agents == (chance.random() < 0.9) else Inbox.SIGNALS  # noqa: PLR2004 - as a rule
        signal = _read(body, inbox, fuzzed)
        if signal is None or not _may_start_what_its_owner_stopped(signal):
            fuzzed.cases += 1
            fuzzed.read[str(signal.kind) if signal else "none of ours"] += 1
            return body, inbox


def _read(body: str | bytes, inbox: Inbox, fuzzed: Fuzzed) -> Signal | None:
    try:
        read = read_from(inbox, parse_body(body))
    except UnreadableEvent:
        return None
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        fuzzed.broken.append(f"crash: read_from raised {error!r} for {_begin(body)}")
        return None
    return read if isinstance(read, Signal) else None


def _may_start_what_its_owner_stopped(signal: Signal) -> bool:
    is_about_it = signal.vm_id.name.lower() == "stopped-1"
    return is_about_it and signal.kind in {SignalKind.EVICTED, SignalKind.STARTED}


def _note_failure(fuzzed: Fuzzed, message: Message | None, error: Exception) -> None:
    if not isinstance(error, UnreadableEvent):
        what = _begin(message.body) if message else "the sweep"
        fuzzed.broken.append(f"crash: handle raised {error!r} for {what}")


def _judge(azure: VirtualAzure, faults: Faults, fuzzed: Fuzzed) -> None:
    poison = azure.app.storage.poison
    fuzzed.starts, fuzzed.poison = len(faults.starts), len(poison)
    fuzzed.broken += [f"start: {vm_id} at {at:%H:%M:%S}" for at, vm_id in faults.starts]
    fuzzed.broken += [
        f"place: still on the queue after {ALL_OVER_WITHIN}: {_begin(one.body)}" for one in azure.app.messages
    ]
    fuzzed.broken += [
        f"place: in poison after {message.dequeue_count} tries: {_begin(message.body)}"
        for message, _ in poison
        if message.dequeue_count != POISON_AT
    ]
    rows = [row for row, _ in azure.app.storage.recoveries.rows.values()]
    fuzzed.broken += [f"open: {row['vm_id']}: {row['reason']}" for row in rows if not row["closed_at"]]
    if fuzzed.looks > MOST_LOOKS * fuzzed.cases:
        fuzzed.broken.append(f"steps: {fuzzed.looks} looks came of {fuzzed.cases} messages")


def answered_behind(others: Sequence[str | bytes], seed: int) -> timedelta:
    """Give how long after an eviction its event was answered, with these messages before it on the queue."""
    chance = Random(seed)  # noqa: S311 - no secret
    answered: list[datetime] = []
    with VirtualAzure(TEN, Deployment(Policy()), chance=chance) as azure:

        def note(message: Message) -> None:
            if message.tells is not None:
                answered.append(azure.clock.now())

        azure.app.done = note
        azure.world.add_vm("evicted-1", tags=TAG)
        for body in others:
            azure.app.put(body, timedelta())
        azure.world.evict("evicted-1")
        azure.run_for(timedelta(minutes=1))
        return answered[0] - TEN


def _begin(body: str | bytes) -> str:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    return ascii(text[:300])


@cache
def _payloads() -> tuple[str, ...]:
    return read_payloads()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the fuzz. Exit code 0 if every promise held, 1 if one was broken."""
    parser = argparse.ArgumentParser(prog="python -m soak.responder.fuzz", description="Rubbish for the whole app.")
    parser.add_argument("--cases", type=int, default=5000, help="how many messages, at least (5000)")
    parser.add_argument("--seed", type=int, default=None, help="of the first world; each next one is one more")
    given = parser.parse_args(arguments)
    seed = seed_or_any(given.seed)
    worlds = -(-given.cases // CASES_AT_ONCE)
    sys.stdout.write(f"{worlds * CASES_AT_ONCE} messages from seed {seed}\n")
    total = Fuzzed()
    with ProcessPoolExecutor(initializer=_be_quiet) as workers:
        for number, fuzzed in enumerate(workers.map(fuzz, range(seed, seed + worlds), chunksize=4)):
            for line in fuzzed.broken[: max(0, _SHOWN - len(total.broken))]:
                sys.stdout.write(f"seed {seed + number}: {line}\n")
            _add(total, fuzzed)
    report = {
        "cases": total.cases,
        "starts": total.starts,
        "poison": total.poison,
        "looks": total.looks,
        "read": dict(sorted(total.read.items())),
        "broken": len(total.broken),
        "seed": seed,
    }
    write_report(REPORT, report)
    return 1 if total.broken else 0


def _add(total: Fuzzed, fuzzed: Fuzzed) -> None:
    total.cases += fuzzed.cases
    total.starts += fuzzed.starts
    total.looks += fuzzed.looks
    total.poison += fuzzed.poison
    total.read += fuzzed.read
    total.broken += fuzzed.broken


def _be_quiet() -> None:
    logging.getLogger("spot_responder").setLevel(logging.CRITICAL)
    os.environ.pop("PYTHONDEVMODE", None)


if __name__ == "__main__":
    sys.exit(main())
