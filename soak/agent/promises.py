"""What must hold whatever happens to the agent, judged by what could be seen from outside its process.

seen: an eviction that is shown for 1.5 s while the service answers is acted upon. ours: nothing is done for a sibling.
saved: what is essential is over 5 s after the VM was drained. recovered: once for each end, under one id, before work
is taken. held: while an event that was acted upon is shown, no work is taken, whoever was restarted, and nothing is
loaded beside what is saved. told: no thing under two ids, and in the end all. acknowledged: no eviction, and nothing
that names others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from virtual_vm.parts import Deed

    from soak.agent.story import Shown, Story

SEEN_WITHIN_S: Final = 1.5
ESSENTIAL_WITHIN_S: Final = 5.0
_SLACK_S: Final = 0.15
"""For what is done and what is heard of it."""


@dataclass(slots=True)
class Findings:
    """What one schedule came to. ``broken`` has a line for each promise that did not hold."""

    seed: int
    events: int = 0
    evictions: int = 0
    acted_upon: int = 0
    ends: int = 0
    recoveries: int = 0
    faults: int = 0
    broken: list[str] = field(default_factory=list)


class Witness:
    """Watches one story, and judges it."""

    def __init__(self, story: Story, seed: int) -> None:
        """Begin to watch."""
        self.findings = Findings(seed)
        self._story = story
        self._since: dict[str, float] = {}
        self._events: dict[str, Shown] = {}
        self._runs = 0
        self._read = 0
        self._owed_since: float | None = None
        self._loaded_at = -1.0
        self._allowed = 0
        self._loading = ""
        self._loaded: set[str] = set()
        self._answered: dict[str, float] = {}
        self._asked: dict[str, float] = {}
        self._earlier: set[str] = set()
        """Shown since before this boot: nobody can tell whether they have happened."""
        self._hidden: dict[str, float] = {}
        self._acted: set[str] = set()
        """What was acted upon in this boot, and stops the work."""
        self._known: set[str] = set()
        """Shown since before this run, which could be told of it at once."""
        self._loads = False
        self._is_named = story.vm.machine is not None

    @property
    def _now(self) -> float:
        return self._story.vm.time.seconds

    def shows(self, shown: Shown) -> None:
        """Note that an event is shown from now on."""
        self._events[shown.event_id] = shown
        self.findings.events += 1
        self.findings.evictions += shown.kind == "Preempt" and shown.is_ours
        if shown.kind == "Preempt" and shown.is_ours and not self._story.fault:
            self._since[shown.event_id] = self._now

    def starts(self, shown: Shown) -> None:
        """Note that an event has started."""
        self._events[shown.event_id] = shown

    def hides(self, event_id: str) -> None:
        """Note that an event is shown no longer."""
        self.looks()
        self._hidden[event_id] = self._now
        self._since.pop(event_id, None)
        self._allowed += 1  # it may be over, and what was drained for it recovered

    def answers(self, in_s: float) -> None:
        """Note that the service shows the agent what there is."""
        for event_id in self._story.shown:
            self._asked.setdefault(event_id, self._now)
            self._answered.setdefault(event_id, self._now + in_s)

    def interrupts(self) -> None:
        """Note that what is shown could not be seen without a break."""
        self.looks()
        self._known = set()
        again = not self._story.fault or self._story.vm.agent is None
        self._since = dict.fromkeys(self._since, self._now + (0.0 if again else 1000000000.0))

    def begins(self, *, is_new_boot: bool) -> None:
        """Note that a run begins: how the one before ended says what is owed."""
        self.looks()
        self._runs += 1
        is_owed = self._runs > 1 and (is_new_boot or not self._story.vm.disk.is_clean)
        self.findings.ends += is_owed
        if is_owed and (self._owed_since is None or is_new_boot):
            self._owed_since = self._now
        # After an end in order a recovery may be due for an event that had begun; without one there is none.
        self._allowed += is_owed or (self._runs > 1 and bool(self._events))
        shown = [one for one in self._story.shown.values() if one.kind == "Preempt" and one.is_ours]
        if is_new_boot:
            self._earlier |= {one.event_id for one in shown}
            self._acted = set()
        self._known = set() if self._story.fault else set(self._story.shown)
        self._loads = False
        new = [one.event_id for one in shown if one.event_id not in self._earlier and not self._story.fault]
        self._since = dict.fromkeys(new, self._now)

    def looks(self) -> None:
        """Look at what was done since, and at what should have been by now."""
        vm = self._story.vm
        for deed in vm.deeds[self._read :]:
            self._sees(deed)
        self._read = len(vm.deeds)
        if vm.agent is None:
            self._since = {}
        for event_id, since in list(self._since.items()):
            if self._now - since >= SEEN_WITHIN_S + _SLACK_S:
                self._judge_seen(event_id, since)
                del self._since[event_id]

    def judge_the_end(self) -> None:
        """Look at what should be so once all is calm."""
        vm, findings = self._story.vm, self.findings
        findings.faults = self._story.faults
        if not vm.takes_work():
            self._breaks("recovered", "the VM takes no work though all is calm")
        if self._owed_since is not None:
            self._breaks("recovered", "the last end was never recovered from")
        self._judge_saved()
        self._judge_told()

    def _breaks(self, promise: str, what: str) -> None:
        self.findings.broken.append(f"{promise}: {what}")

    def _sees(self, deed: Deed) -> None:
        match deed.kind:
            case "hook" | "hook ended":
                words = deed.more[1] if deed.kind == "hook ended" else deed.more
                self._judge_ours(words["SPOT_AGENT_EVENT_ID"], f"a hook, {deed.what}")
                if deed.what == "recover/load":
                    self._sees_load(deed, words["SPOT_AGENT_RECOVERY_ID"])
                elif deed.kind == "hook" and not deed.what.startswith(("cancelled/", "freeze/")):
                    self._sees_save(deed, words["SPOT_AGENT_EVENT_ID"])
            case "acknowledge":
                self._judge_ours(deed.what, "an acknowledgement")
                shown = self._events[deed.what]
                if shown.kind == "Preempt" or shown.is_shared:
                    self._breaks("acknowledged", f"{shown}")
            case "told":
                self._judge_ours(deed.more["data"]["eventId"] or "", "a message")
            case "health" if deed.what == "200":
                self._sees_ready(deed)
            case _:
                pass

    def _sees_ready(self, deed: Deed) -> None:
        if self._owed_since is not None and self._loaded_at < self._owed_since:
            self._breaks("recovered", f"work is taken at {deed.at:.1f} s, before the recovery")
        self._owed_since = None
        held = self._acted & set(self._story.shown)
        if self._story.fault:
            self._acted -= held  # nobody says that it is not over, for minutes
        elif held and not self._story.was_full:
            self._breaks("held", f"work is taken at {deed.at:.1f} s, while {sorted(held)} is shown")

    def _sees_save(self, deed: Deed, event_id: str) -> None:
        self._acted.add(event_id)
        self._allowed += 1  # it may have been hidden just before a recovery ended, and be seen to be over after that
        if self._loads and event_id in self._known and not self._story.was_full:
            self._breaks("held", f"{deed.what} is begun at {deed.at:.1f} s for {event_id}, beside a recovery")
        self._loads = False

    def _sees_load(self, deed: Deed, recovery_id: str) -> None:
        if deed.kind == "hook":
            if self._loading and self._loading != recovery_id and not self._story.was_full:
                self._breaks("recovered", f"one that was interrupted goes on under another id, at {deed.at:.1f} s")
            self._loading, self._loads = recovery_id, True
            return
        self._loads = False
        if deed.more[0] == "ok":
            self.findings.recoveries += 1
            self._loading = ""
            self._loaded.add(recovery_id)
            self._loaded_at = deed.at
            if self._allowed <= 0:
                self._breaks("recovered", f"twice after one end, at {deed.at:.1f} s")
            self._allowed = 0

    def _judge_ours(self, event_id: str, what: str) -> None:
        shown = self._events.get(event_id)
        if shown and not shown.is_ours:
            self._breaks("ours", f"{what} for a sibling's event")

    def _judge_seen(self, event_id: str, since: float) -> None:
        """Say whether it was begun; or the VM drained, where nobody says how it is called."""
        deeds = self._story.vm.deeds
        begun = any(deed.kind == "hook" and deed.more["SPOT_AGENT_EVENT_ID"] == event_id for deed in deeds)
        if begun:
            self.findings.acted_upon += 1
        elif self._story.vm.takes_work() or self._story.vm.machine is not None:
            self._breaks("seen", f"{event_id}, shown since {since:.1f} s, was not acted upon")

    def _judge_saved(self) -> None:
        """After it could be seen for the first time, what obeys is over in time, and what it wrote is on the disk."""
        for event_id, at in self._answered.items():
            shown, hidden_at = self._events[event_id], self._hidden.get(event_id, self._now)
            until = at + ESSENTIAL_WITHIN_S + _SLACK_S
            deeds = [deed for deed in self._story.vm.deeds if self._asked[event_id] <= deed.at <= until]
            is_calm = not any(deed.kind in {"began", "killed", "ended"} for deed in deeds)
            # What is first seen as Started after a boot took the VM down: it is written down only.
            is_promised = shown.is_ours and shown.kind != "Hibernate" and (shown.kind == "Preempt" or shown.is_ahead)
            if is_promised and is_calm and self._is_named and hidden_at > until:
                self._judge_one_saved(event_id, deeds)

    def _judge_one_saved(self, event_id: str, deeds: list[Deed]) -> None:
        ended = [deed for deed in deeds if deed.kind == "hook ended" and deed.what.endswith("/save")]
        saved = [deed for deed in ended if deed.more[1]["SPOT_AGENT_EVENT_ID"] == event_id]
        if not any(deed.kind == "flush" and saved and deed.at >= saved[0].at for deed in deeds):
            self._breaks("saved", f"{event_id}, shown since {self._answered[event_id]:.1f} s, is not saved in time")

    def _judge_told(self) -> None:
        ids: dict[tuple[str, str], set[str]] = {}
        for deed in self._story.vm.deeds:
            if deed.kind == "told":
                data = deed.more["data"]
                about = data.get("recoveryId") or data["eventId"]
                ids.setdefault((deed.more["type"], about), set()).add(deed.what)
        for about, named in ids.items():
            if len(named) > 1:
                self._breaks("told", f"{about} under {sorted(named)}")
        if self._story.vm.settings.has_queue and not self._story.was_full:
            ready = {about for kind, about in ids if kind == "SpotAgent.WorkloadReady"}
            if ready != self._loaded:
                self._breaks("told", f"recoveries {sorted(self._loaded)}, told {sorted(ready)}")
        self._judge_all_told({about for _, about in ids})

    def _judge_all_told(self, told: set[str]) -> None:
        """Every event that a hook was run for is told in the end, where the disk could keep it."""
        if not self._story.vm.settings.has_queue or self._story.was_full:
            return
        hooks = [one for one in self._story.vm.deeds if one.kind == "hook" and not one.what.startswith("recover/")]
        for event_id in {one.more["SPOT_AGENT_EVENT_ID"] for one in hooks} - told:
            self._breaks("told", f"{event_id} is told to nobody")
