"""``python -m bench`` measures everything, ``python -m bench PART …`` some of it; the figures go to ``.local``."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench import cold_start, growth, idle, real_time, sizes
from bench.agent.figures import figures as agent_figures
from bench.machine import description
from bench.peers import cron_script
from bench.peers.cron import cron
from bench.peers.naive import naive
from bench.peers.poll import poll
from bench.peers.runbook import runbook
from bench.report import Target, at_least, at_most, heading, rows, write
from bench.scenarios import HUGE_STORM, IDLE, IDLE_DEALLOCATING, OUTAGE, STORM, WIDE_STORM
from bench.stage import play_peer, play_responder
from bench.work.figures import figures as work_figures
from bench.worker.figures import figures as worker_figures

if TYPE_CHECKING:
    from collections.abc import Callable

    type Part = Callable[[], tuple[dict[str, Any], list[Target]]]

REPOSITORY: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = REPOSITORY / ".local"
LEAST_STORM_S: Final = 80.0
"""(1,000 - 200) / 10: what ARM's bucket of writes allows at best."""

LEAST_WIDE_STORM_S: Final = 30.0
"""(500 - 200) / 10 in each of 20 subscriptions, with as many instances as that takes."""

LEAST_OUTAGE_S: Final = 100 * 60.0
"""500 places at 5 a minute."""

MOST_LOG_KB: Final = 10
"""What the worker sends to Application Insights, besides Azure's own columns."""

WIDE_INSTANCES: Final = 8
HUGE_INSTANCES: Final = 4


def single() -> tuple[dict[str, Any], list[Target]]:
    """One eviction, idle app: in real time, and beside a poll in virtual time."""
    real = real_time.singles(FOLDER / "bench")
    ours, theirs = play_responder(IDLE).row(), play_peer("60-second poll", poll, IDLE).row()
    early = play_responder(IDLE_DEALLOCATING).row()
    figures = {"real_time": real, "virtual": [ours, theirs, early]}
    return figures, [
        at_most("single, event leaves the world to start accepted: p50, real time", real["p50_s"], 1.5, " s"),
        at_most("single: p99, real time", real["p99_s"], 5, " s"),
        at_least("single, how much sooner than the 60-second poll: p50", theirs["p50_s"] / ours["p50_s"], 15),
        at_most("single: log that is paid for, for each recovery", _kilobytes(real), MOST_LOG_KB, " KB"),
    ]


def storm() -> tuple[dict[str, Any], list[Target]]:
    """1,000 VMs at once: in virtual time beside the peers, and in real time."""
    ours = play_responder(STORM).row()
    peers = [
        play_peer(name, peer, STORM).row()
        for name, peer in (
            ("cron, one after the other", cron),
            ("60-second poll", poll),
            ("hourly runbook", runbook),
            ("naive event handler", naive),
        )
    ]
    wide = play_responder(WIDE_STORM, WIDE_INSTANCES).row()
    real = real_time.storm(FOLDER / "bench")
    throttled = sum(ours["throttled"].values())
    figures = {
        "virtual": [ours, *peers, wide],
        "real_time": real,
        "least_s": LEAST_STORM_S,
        "least_wide_s": LEAST_WIDE_STORM_S,
    }
    return figures, [
        at_most(
            "storm 1,000: last start accepted, against the buckets' least (virtual time)",
            _over(ours["last_accepted_s"], LEAST_STORM_S),
            1.25,
            " x",
        ),
        at_most(
            "storm 1,000: the same in real time on this machine",
            _over(real["last_accepted_s"], LEAST_STORM_S),
            1.25,
            " x",
        ),
        at_most("storm 1,000: 429s for each start (virtual time)", throttled / 1000, 0.01),
        at_most("storm 1,000: 429s for each start (real time)", real["throttled"] / 1000, 0.01),
        at_most("storm 1,000: start calls for each VM (virtual time)", ours["start_calls"] / 1000, 1.05),
        at_most(
            "storm 1,000: start calls for each VM (real time)", real["start_calls"] / max(real["started"], 1), 1.05
        ),
        at_most("storm 1,000: Resource Graph queries until all run (virtual time)", ours["requests"]["graph"], 120),
        at_most("storm 1,000: Resource Graph queries (real time)", real["graph_queries"], 120),
        at_most("storm 1,000: log that is paid for, for each recovery", _kilobytes(real), MOST_LOG_KB, " KB"),
        at_least(
            "storm 1,000: last VM runs, how much sooner than one after the other",
            _over(peers[0]["last_running_s"], ours["last_running_s"]),
            10,
            " x",
        ),
    ]


def outage() -> tuple[dict[str, Any], list[Target]]:
    """500 VMs of one pool without capacity for an hour, then 5 places a minute."""
    ours = play_responder(OUTAGE).row()
    theirs = play_peer("60-second poll", poll, OUTAGE).row()
    others = [play_peer("naive event handler", naive, OUTAGE).row()]
    calls = ours["start_calls"] / OUTAGE.vms
    sent = theirs["requests"]["vm_start"] / OUTAGE.vms
    return {"virtual": [ours, theirs, *others], "least_s": LEAST_OUTAGE_S}, [
        at_most("outage 500: start calls for each VM", calls, 1.5),
        at_least("outage 500: how many times fewer than the each-minute poll", sent / calls, 20),
        at_most(
            "outage 500: last VM started, against what capacity allows",
            _over(ours["last_accepted_s"], LEAST_OUTAGE_S),
            1.25,
            " x",
        ),
    ]


def script() -> tuple[dict[str, Any], list[Target]]:
    """Play the cron script of the first days with Microsoft's az, and the responder, in real time; as ratios."""
    if not cron_script.is_installed():
        return {"skipped": "cron script: az is not installed: make az-cli"}, []
    ours = cron_script.play_responder_in_real_time(FOLDER / "bench" / "responder")
    theirs = cron_script.play_script(FOLDER / "bench" / "cron-script")
    figures = {"real_time": [ours.row("responder"), theirs.row("cron script with az")]}
    return figures, [
        at_least(
            "cron script with az, 4 VMs: last VM runs, how much later than with the responder",
            _over(theirs.last_running_s, ours.last_running_s),
            3,
            " x",
        ),
        at_most(
            "cron script with az, 4 VMs: the responder's start requests for each VM",
            ours.start_calls / cron_script.VMS,
            1,
        ),
    ]


def cold() -> tuple[dict[str, Any], list[Target]]:
    """Import and memory."""
    figures = cold_start.measure()
    ratio = figures["import_and_connect"]["processor_s"] / figures["bare_sdks"]["processor_s"]
    return figures, [
        at_most(
            "cold start: import and connect, against the bare SDKs' import (processor time)", round(ratio, 2), 1.3, " x"
        ),
        at_most("cold start: memory after the first message", figures["first_message"]["rss_mb"], 110, " MB"),
    ]


def grow() -> tuple[dict[str, Any], list[Target]]:
    """100, 1,000 and 10,000 VMs."""
    handled = {size: growth.handling(size) for size in growth.SIZES}
    swept = {size: growth.sweep(size) for size in growth.SIZES}
    small, large = growth.SIZES[0], growth.SIZES[-1]
    return {"handling": handled, "sweep": swept}, [
        at_most(
            "growth: query pages of a sweep for each 1,000 VMs, at 10,000",
            swept[large]["graph_pages"] / (large / 1000),
            1.1,
        ),
        at_most(
            "growth: requests for each VM, 10,000 against 100",
            handled[large]["requests_per_vm"] / handled[small]["requests_per_vm"],
            1.1,
            " x",
        ),
        at_most(
            "growth: bytes of state for each VM, 10,000 against 100",
            swept[large]["bytes_per_row"] / swept[small]["bytes_per_row"],
            1.1,
            " x",
        ),
    ]


def idle_cost() -> tuple[dict[str, Any], list[Target]]:
    """Count what a day costs on which nothing happens."""
    return idle.measure(REPOSITORY / "host.json"), []


def agent() -> tuple[dict[str, Any], list[Target]]:
    """Evict VMs with the agent in them, beside two plain agents."""
    return agent_figures(FOLDER / "bench" / "agent")


def worker() -> tuple[dict[str, Any], list[Target]]:
    """Evict VMs that work on a queue, with the worker kit and with its peers."""
    return worker_figures(FOLDER / "bench" / "worker")


def huge() -> tuple[dict[str, Any], list[Target]]:
    """100,000 VMs over 500 subscriptions; takes a quarter of an hour and is not part of ``make bench``."""
    return {"virtual": play_responder(HUGE_STORM, HUGE_INSTANCES).row()}, []


PARTS: Final[dict[str, Part]] = {
    "single": single,
    "storm": storm,
    "outage": outage,
    "sizes": sizes.figures,
    "script": script,
    "cold": cold,
    "growth": grow,
    "idle": idle_cost,
    "agent": agent,
    "worker": worker,
    "work": work_figures,
}


def _kilobytes(real: dict[str, Any]) -> float:
    size: float = real["log_bytes"]["for_each_recovery"]
    return size / 1000


def _over(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def main() -> int:
    """Measure, write and show. The exit code is 0 where the figures could be taken, met or not."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Take figures into .local/bench.json.")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "huge"], help="which; all but huge where none is named")
    parts = parser.parse_args().parts or list(PARTS)
    logging.getLogger("spot_responder").setLevel(logging.CRITICAL)
    machine = description()
    path = FOLDER / ("bench.json" if parts == list(PARTS) else f"bench-{'-'.join(parts)}.json")
    figures: dict[str, Any] = {}
    targets: list[Target] = []
    _print(heading(machine))
    for part in parts:
        began = time.monotonic()
        figures[part], met = (PARTS | {"huge": huge})[part]()
        figures[part]["took_s"] = round(time.monotonic() - began, 1)
        targets += met
        # After each part: a run that is stopped keeps what it has measured.
        write(path, machine, figures, targets)
        _print(f"{part}: {figures[part].get('skipped', f'{figures[part]["took_s"]} s')}\n{rows(met)}")
    return 0


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
