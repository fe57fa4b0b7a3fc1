"""The timeline of the demo: what happens in the world, which events Azure sends, what the responder decides."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TextIO

from localazure.demo.jobs.work_log import in_words, read_line
from localazure.event_grid.event_log import Entry, Step
from localazure.world import vm_lifecycle
from localazure.world.happenings import ActionSucceeded, Annotated, AvailabilityChanged
from localazure.world.machines import PowerState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from localazure.guests.announcements import Progress
    from localazure.guests.scheduled_events import ScheduledEvent
    from localazure.laptop import Laptop
    from localazure.world.happenings import Happening

WIDTH: Final = 110
"""A line is cut there; the whole text is in the app's log."""

_LOOK_S: Final = 0.1
_INSIDE: Final = "| "
"""Before what is seen inside a VM only."""

_APP: Final = " spot_responder: "
_EVENTS_SHOWN: Final = frozenset({Step.DELIVERED, Step.LOST, Step.DEAD_LETTERED})
# What Azure tells of a start that we asked for ourselves.
_ECHOES: Final = frozenset(
    {
        "VirtualMachineStartInitiatedByControlPlane",
        "VirtualMachineAllocated",
        "Available",
        "Microsoft.Compute/virtualMachines/start/action",
    }
)


@dataclass
class Timeline:
    """Prints one line for each thing that happens: with the seconds since it began or, without a beginning, the time.

    That is as the commands write times, so that the two can be held together.
    """

    began_at: datetime | None
    out: TextIO = field(default_factory=lambda: sys.stdout)
    tells_each_job: bool = False
    _last_told: dict[str, str] = field(default_factory=dict)

    def tell(self, at: datetime, who: str, what: str) -> None:
        """Print a line, unless it says what the line before said of the same VM."""
        if self._last_told.get(who) == what:
            return
        self._last_told[who] = what
        shown = what if len(what) <= WIDTH else f"{what[: WIDTH - 1]}…"
        self.out.write(f"{self._when(at)}  {who:<14} {shown}\n")
        self.out.flush()

    def _when(self, at: datetime) -> str:
        if self.began_at is None:
            return f"{at.astimezone():%H:%M:%S}"
        return f"{max(0.0, (at - self.began_at).total_seconds()):6.1f} s"

    def happened(self, happening: Happening) -> None:
        """Tell what happened in the world, where a person would see it."""
        what = _in_words(happening)
        if what:
            self.tell(happening.occurred_at, _name(happening.vm_id), what)

    def event(self, entry: Entry) -> None:
        """Tell what became of an event."""
        if entry.step in _EVENTS_SHOWN and entry.detail not in _ECHOES:
            self.tell(entry.at, _name(entry.vm_id), f"event {entry.step}: {entry.detail}")

    def announced(self, at: datetime, event: ScheduledEvent, progress: Progress) -> None:
        """Tell what Azure announces inside the VMs."""
        for name in event.resources:
            self.tell(at, name, f"{_INSIDE}scheduled event {event.event_type}: {progress}")

    def printed(self, at: datetime, name: str, line: str) -> None:
        """Tell what a VM's guest printed; of what a worker logs, that in words."""
        worker = read_line(0, name, line)
        said = line if worker is None else in_words(worker, tells_each=self.tells_each_job)
        if said:
            self.tell(at, name, f"{_INSIDE}{said}")

    def decided(self, line: Mapping[str, Any], at: datetime) -> None:
        """Tell what the responder logged."""
        vm = _name(line.get("vm", ""))
        match line.get("event"):
            case "decision" if line["reason"] != "it runs":
                self.tell(at, vm, f"-> {line['decision']}: {line['reason']}")
            case "start accepted":
                self.tell(at, vm, f"-> start request {line['attempts']} accepted")
            case "resize accepted":
                self.tell(at, vm, f"-> its change to {line['size']} was accepted")
            case "start refused" | "start failed" | "resize refused" as what:
                self.tell(at, vm, f"-> {what}: {line['code']} ({line['failure']})")
            case "work queue" if line["starts"]:
                self.tell(at, line["queue"], f"-> {line['reason']}")
            case "sweep" if line["found"]:
                self.tell(at, "sweep", f"-> VMs that are down and that nobody is busy with: {line['found']}")
            case "requeued" | "let go" | "denied" | "unreadable" | "outcome not published" | "price alert":
                self.tell(at, vm or "-", f"-> {line['event']}: {line['reason']}")

    def listen(self, laptop: Laptop) -> None:
        """Show what happens in the world, what becomes of events, and what is seen inside of VMs, from now on."""
        laptop.world.listen(self.happened)
        laptop.event_grid.log.listen(self.event)
        laptop.announcements.listen(self.announced)
        laptop.guests.listen(lambda name, line: self.printed(laptop.clock.now(), name, line))

    async def follow(self, laptop: Laptop) -> None:
        """Show the app's log lines as they are written; runs until it is cancelled."""
        read = 0
        while True:
            lines, read = app_lines(laptop.host_log, read)
            for line in lines:
                self.decided(line, laptop.clock.now())
            await asyncio.sleep(_LOOK_S)


def app_lines(log: Path, start: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Read the app's own log lines from a place in the host's log on; give them, and where to go on."""
    with log.open("rb") as opened:
        opened.seek(start)
        text = opened.read()
    whole = text[: text.rfind(b"\n") + 1]
    told = [line.partition(_APP)[2] for line in whole.decode("utf-8", "replace").splitlines() if _APP in line]
    return [json.loads(line) for line in told], start + len(whole)


def _in_words(happening: Happening) -> str:
    match happening:
        case Annotated(annotation="VirtualMachinePreempted"):
            return "evicted by Azure"
        case Annotated(annotation="VirtualMachineDeallocationInitiated"):
            return f"is {PowerState.DEALLOCATING}"
        case ActionSucceeded(operation=vm_lifecycle.DEALLOCATE, caller=caller, vm_id=vm_id):
            return f"deallocated by {'itself' if caller == vm_id else 'its owner'}"
        case AvailabilityChanged(current="Available"):
            return f"is {PowerState.RUNNING}"
        case ActionSucceeded() | Annotated() | AvailabilityChanged():
            return ""


def _name(vm_id: str) -> str:
    return vm_id.rpartition("/")[2]
