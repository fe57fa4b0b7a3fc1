"""Describes the machine, without which no figure of seconds means anything."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def description() -> dict[str, object]:
    """Give processor, cores, memory, system, Python, and how busy the machine is at this moment."""
    return {
        "processor": _first("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory": _first("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }


def processor_seconds(process_id: int) -> float:
    """Give how much processor time a process has used."""
    fields = Path(f"/proc/{process_id}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(process_id: int, name: str) -> float:
    """Give a process's resident memory: ``VmRSS`` now, ``VmHWM`` at most so far."""
    return round(int(_first(f"/proc/{process_id}/status", name).removesuffix("kB")) / 1024, 1)


def children() -> dict[int, str]:
    """Give the processes that this one has begun, with the beginning of their command lines."""
    own = os.getpid()
    ids = Path(f"/proc/{own}/task/{own}/children").read_text("utf-8").split()
    return {int(each): Path(f"/proc/{each}/cmdline").read_text("utf-8").replace("\0", " ")[:200] for each in ids}


def _first(path: str, name: str) -> str:
    lines = Path(path).read_text("utf-8").splitlines() if Path(path).exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
