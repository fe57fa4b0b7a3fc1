"""``check``: whether everything that the agent needs is there, before it is needed."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Callable, Final

from spot_agent.commands.answers import CommandAnswer
from spot_agent.configuration import FOLDERS
from spot_agent.edges.hooks import find_hooks
from spot_agent.edges.metadata import MetadataError, MetadataService
from spot_agent.edges.storage_queue import may_write
from spot_agent.edges.units import has_systemd, units_not_loaded
from spot_agent.installed.places import HELPER_SOCKET, WATCHER, Places
from spot_agent.installed.system import is_active

if TYPE_CHECKING:
    from spot_agent.configuration import Configuration

PROBE_AT_MOST_S: Final = 10.0
"""Of a notice of 30 seconds at most, drained connections need the rest."""
_FIRST_ANSWER_WITHIN_S: Final = 130.0
_CLOCK_OFF_S: Final = 2.0
_SPACED_S: Final = 0.3
"""The service takes 5 requests a second, and the agent that runs asks it too."""
_ROOM_BYTES: Final = 10 * 1024 * 1024


class Verdict(Enum):
    """How it is with one thing; ``OPEN`` where there is nothing good or bad to say of it."""

    FINE = "ok"
    BAD = "BAD"
    OPEN = "-"


@dataclass(frozen=True)
class Finding:
    """What was found about one thing."""

    name: str
    verdict: Verdict
    says: str


def check(configuration: Configuration) -> CommandAnswer:
    """Look at all of it. Exit code 1 if anything is wrong."""
    metadata = MetadataService(configuration.imds, _SPACED_S)
    looks: tuple[Callable[[MetadataService, Configuration], Finding], ...] = (
        _metadata_service,
        _own_name,
        _identity,
        _hooks,
        _units,
        _probe,
        _clock,
        _disk,
    )
    findings = [look(metadata, configuration) for look in looks]
    if configuration.state == Places().state:  # else it is not the installed agent that is asked about
        findings.append(service(Places(), is_active))
    text = "\n".join(f"{found.verdict.value:4} {found.name}: {found.says}" for found in findings)
    oks = {Verdict.FINE: True, Verdict.BAD: False, Verdict.OPEN: None}
    data: list[dict[str, Any]] = [{"name": one.name, "ok": oks[one.verdict], "says": one.says} for one in findings]
    return CommandAnswer(text, data, 1 if any(one.verdict is Verdict.BAD for one in findings) else 0)


def service(places: Places, is_running: Callable[[str], bool]) -> Finding:
    """Look at what ``install`` made. ``is_running``: whether systemd has a unit running."""
    if not (places.units / WATCHER).exists():
        return Finding("service", Verdict.OPEN, "not installed: it runs in the foreground only")
    for unit in (WATCHER, HELPER_SOCKET):
        if not is_running(unit):
            return Finding("service", Verdict.BAD, f"{unit} does not run: systemctl status {unit}")
    try:
        is_changed = places.kept_configuration.read_bytes() != places.configuration.read_bytes()
    except OSError as error:
        return Finding(
            "service", Verdict.OPEN, f"what it began with cannot be read: {error.strerror} ({error.filename})"
        )
    if is_changed:
        says = f"{places.configuration} was changed since it began: systemctl restart {WATCHER}"
        return Finding("service", Verdict.BAD, says)
    return Finding("service", Verdict.FINE, f"{WATCHER} and {HELPER_SOCKET} run")


def _fine(is_fine: bool) -> Verdict:  # noqa: FBT001 - what it is about
    return Verdict.FINE if is_fine else Verdict.BAD


def _metadata_service(metadata: MetadataService, _configuration: Configuration) -> Finding:
    try:
        document = metadata.events(_FIRST_ANSWER_WITHIN_S)
    except MetadataError as error:
        return Finding("metadata service", Verdict.BAD, str(error))
    return Finding("metadata service", Verdict.FINE, f"answers, {len(document.events)} events now")


def _own_name(metadata: MetadataService, _configuration: Configuration) -> Finding:
    try:
        machine = metadata.machine()
    except MetadataError as error:
        return Finding("own name", Verdict.BAD, str(error))
    return Finding("own name", Verdict.FINE, f"{machine.name} ({machine.resource_id})")


def _identity(metadata: MetadataService, configuration: Configuration) -> Finding:
    if not configuration.queue:
        return Finding("queue", Verdict.OPEN, "none is configured: nobody is told")
    try:
        token = metadata.token(configuration.client_id)
    except MetadataError as error:
        return Finding("queue", Verdict.BAD, f"no token of the managed identity: {error}")
    refused = may_write(configuration.queue, token.value)
    if refused:
        return Finding("queue", Verdict.BAD, f"{refused} ({configuration.queue})")
    return Finding("queue", Verdict.FINE, f"the identity may put messages on {configuration.queue}")


def _hooks(_metadata: MetadataService, configuration: Configuration) -> Finding:
    found = [hook for folder in FOLDERS for hook in find_hooks(configuration.hooks, folder)]
    refused = [hook.refused for hook in found if hook.refused]
    dead = [
        str(file)
        for folder in FOLDERS
        for file in sorted((configuration.hooks / folder).glob("[!.]*"))
        if file.is_file() and not os.access(file, os.X_OK)
    ]
    missing = [name for name in configuration.hook_settings if not (configuration.hooks / name).exists()]
    files = [configuration.hooks / folder for folder in FOLDERS if (configuration.hooks / folder).is_file()]
    wrong = [
        *(f"{where} is a file, not a folder of hooks" for where in files),
        *refused,
        *(f"{file} is not executable" for file in dead),
        *(f"there is no {name}" for name in missing),
    ]
    if wrong:
        return Finding("hooks", Verdict.BAD, "; ".join(wrong))
    names = ", ".join(f"{hook.folder}/{hook.name}" for hook in found)
    return Finding(
        "hooks", Verdict.FINE if found else Verdict.OPEN, names or f"there are none in {configuration.hooks}"
    )


def _units(_metadata: MetadataService, configuration: Configuration) -> Finding:
    if not configuration.units:
        return Finding("units", Verdict.OPEN, "none are configured")
    names = ", ".join(configuration.units)
    if not has_systemd():
        return Finding("units", Verdict.BAD, f"there is no systemd here that could stop {names}")
    if wrong := units_not_loaded(configuration.units):
        return Finding("units", Verdict.BAD, "; ".join(wrong))
    return Finding("units", Verdict.FINE, f"{names}: stopped when the VM is to go")


def _probe(metadata: MetadataService, configuration: Configuration) -> Finding:
    try:
        balancer = metadata.load_balancer()
    except MetadataError as error:
        return Finding("probe", Verdict.OPEN, str(error))
    rules = balancer.get("inboundRules") if balancer else None
    if not rules:
        return Finding("probe", Verdict.OPEN, "no load balancer reaches this VM")
    ports = ", ".join(sorted({str(rule.get("backendPort")) for rule in rules if isinstance(rule, dict)}))
    rule = f"interval x threshold of its probe may be {PROBE_AT_MOST_S:.0f} s at most, like 5 s x 2"
    if configuration.health_port is None:
        return Finding("probe", Verdict.BAD, f"a load balancer reaches port {ports}: give --health-port; {rule}")
    where = f"HTTP, port {configuration.health_port}, path /health" if configuration.health_port else "any free port"
    return Finding(
        "probe", _fine(bool(configuration.health_port)), f"a load balancer reaches port {ports} ({where}); {rule}"
    )


def _clock(metadata: MetadataService, _configuration: Configuration) -> Finding:
    try:
        ahead = metadata.clock_error_s()
    except MetadataError as error:
        return Finding("clock", Verdict.OPEN, str(error))
    if ahead is None:
        return Finding("clock", Verdict.OPEN, "the metadata service does not say what time it is")
    says = f"{abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'} of the metadata service"
    return Finding("clock", _fine(abs(ahead) <= _CLOCK_OFF_S), says)


def _disk(_metadata: MetadataService, configuration: Configuration) -> Finding:
    folder = configuration.state
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return Finding("disk", Verdict.BAD, f"{folder} cannot be written")
    free = shutil.disk_usage(folder).free
    return Finding("disk", _fine(free >= _ROOM_BYTES), f"{free // 1024 // 1024} MB free for {configuration.state}")
