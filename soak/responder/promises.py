"""What must hold whatever happens, judged by the true state of the world: safe, live, polite, told.

Called by ``schedule.py``; each promise has a module of its name.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import AzureError

from localazure.world.machines import PowerState
from soak.responder.live import is_lost, lost_vms
from soak.responder.polite import MOST_LOOKS_AN_HOUR, impolite, most_starts_an_hour
from soak.responder.safe import unsafe_resizes, unsafe_starts
from soak.responder.seen import Seen, Told
from soak.responder.told import unheard, unnamed, untold, untrue
from spot_responder.intake.own_messages import FOLLOW_UP_TYPE, OPERATOR_ASKED_TYPE
from spot_responder.responder.ports import AzureRefusedError, StoreFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from localazure.virtual.app import Deployment
    from localazure.virtual.azure import VirtualAzure
    from localazure.virtual.storage import Message
    from localazure.world.happenings import Happening
    from soak.responder.faults import Faults

_ON_THE_WAY: Final = frozenset({PowerState.STARTING, PowerState.DEALLOCATING})


@dataclass(frozen=True, slots=True)
class Findings:
    """What one schedule came to. ``broken`` has a line for each promise that did not hold."""

    seed: int
    vms: int
    faults_injected: int
    unsafe_starts: int
    lost_vms: int
    unclosed: int
    max_starts_per_vm_hour: int
    looks: int
    broken: tuple[str, ...]


class Witness:
    """Watches one schedule, and judges it."""

    def __init__(self, azure: VirtualAzure, faults: Faults, deployment: Deployment) -> None:
        """Begin to watch."""
        self._seen = Seen(azure, faults, deployment)
        self._telling: dict[str, Happening] = {}
        azure.app.done = self._on_done
        azure.app.failed = self._on_failed
        azure.app.storage.recoveries.written = self._on_row

    def is_all_over(self, calm_at: datetime) -> bool:
        """Whether nothing is to come: every VM that is due runs, every recovery is closed and told."""
        azure, seen = self._seen.azure, self._seen
        settled = all(row["closed_at"] and row["recorded"] for row in seen.rows())
        there = [machine for machine in azure.world.machines() if machine.deleted_at is None]
        waits = any(machine.power_state in _ON_THE_WAY or is_lost(seen, machine) for machine in there)
        swept_twice = azure.clock.now() - calm_at > 2 * seen.deployment.sweep_every
        return settled and not waits and swept_twice

    def broken_so_far(self) -> list[str]:
        """Give what may be said before the end: what was unsafe, impolite, untrue or a crash."""
        seen = self._seen
        return [*unsafe_starts(seen), *unsafe_resizes(seen), *impolite(seen), *untrue(seen), *seen.broken]

    def judge_what_lasts(self) -> None:
        """Look, before all gets well, whether what has lasted is told."""
        self._seen.broken.extend(unnamed(self._seen))

    def findings(self, seed: int, calm_at: datetime) -> Findings:
        """Judge."""
        seen = self._seen
        unsafe = [*unsafe_starts(seen), *unsafe_resizes(seen)]
        lost, unclosed = list(lost_vms(seen, calm_at)), list(untold(seen))
        return Findings(
            seed,
            vms=len(seen.azure.world.machines()),
            faults_injected=seen.faults.injected,
            unsafe_starts=len(unsafe),
            lost_vms=len(lost),
            unclosed=len(unclosed),
            max_starts_per_vm_hour=most_starts_an_hour(seen),
            looks=seen.azure.app.handled,
            broken=(*unsafe, *lost, *impolite(seen), *unclosed, *untrue(seen), *seen.broken),
        )

    def _on_done(self, message: Message) -> None:
        """Note what the app knows now, unless it put the message back."""
        seen, event, now = self._seen, json.loads(message.body), self._seen.azure.clock.now()
        vm_key = event["subject"].lower()
        if message.tells is not None:
            self._telling[event["id"]] = message.tells
        seen.looks[hour := f"{vm_key} {now:%d %H}"] += 1
        if event["type"] == OPERATOR_ASKED_TYPE:
            seen.asked.setdefault(vm_key, set()).add(event["id"])
        if seen.looks[hour] > 2 * MOST_LOOKS_AN_HOUR:
            # It spins, and that is found: the schedule has to come to an end all the same.
            seen.azure.app.clear_messages()
        waiting = [json.loads(each.body) for each in seen.azure.app.messages]
        seen.follow_ups[vm_key] = max(seen.follow_ups[vm_key], self._valid_follow_ups(vm_key, waiting))
        slow_down = seen.faults.asked_to_slow_down.pop(asyncio.current_task(), None)
        if any(each["id"] == event["id"] for each in waiting):
            seen.returns[vm_key] += event["type"] != FOLLOW_UP_TYPE
            return
        if event["id"] in self._telling:
            seen.told.append(Told(self._telling[event["id"]], now))
        # Where the tables failed after the answer, nothing is noted: a find is then left to the next sweep.
        if slow_down and any(row["slow_down_until"] for row in seen.rows() if row["vm_id"].lower() == vm_key):
            seen.slow_downs.append((now, slow_down))

    def _valid_follow_ups(self, vm_key: str, waiting: list[dict[str, Any]]) -> int:
        row = next((row for row in self._seen.rows() if row["vm_id"].lower() == vm_key and not row["closed_at"]), None)
        return sum(
            each["type"] == FOLLOW_UP_TYPE
            and each["subject"].lower() == vm_key
            and row is not None
            and each["data"]["sequence"] >= row["sequence"]
            for each in waiting
        )

    def _on_failed(self, message: Message | None, error: Exception) -> None:
        if not isinstance(error, AzureError | AzureRefusedError | StoreFailedError):
            what = "a message" if message else "the sweep"
            self._seen.broken.append(f"crash: {what} ended with {error!r}")

    def _on_row(self, row: Mapping[str, Any]) -> None:
        seen = self._seen
        seen.holds.setdefault(row["vm_id"].lower(), []).append((seen.azure.clock.now(), bool(row["held_at"])))
        if not row["closed_at"]:
            seen.broken.extend(unheard(seen, row))
            seen.opened[row["recovery_id"]] = row["vm_id"]
            if not row["reason"] or not row["wake_at"]:
                seen.broken.append(f"told: {row['vm_id']} waits without a reason or an end")
