"""The check-up of ``doctor``: reads all that the app needs to work, tries each right harmlessly, changes nothing.

Called by ``commands/doctor.py``; ``views/findings.py`` and ``views/topic_rights.py`` judge what was read.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spot_responder.intake.azure_errors import NO_ANSWER, FailureKind
from spot_responder.intake.payloads import text_field
from spot_responder.operators.ports import CouldNotLookError
from spot_responder.operators.views.findings import (
    Accounts,
    Diagnosis,
    Finding,
    Health,
    account_of,
    clock_finding,
    missing_topic,
    place_finding,
    principals_of,
    role_finding,
    subscription_findings,
    topic_findings,
    watched_findings,
)
from spot_responder.operators.views.topic_rights import right_finding, topic_rights
from spot_responder.operators.work_queues import work_findings
from spot_responder.responder.ports import AzureRefusedError, StoreFailedError
from spot_responder.responder.sizes.azure_lists import COMPUTE_API
from spot_responder.text import count

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from spot_responder.advised_command import CommandLine
    from spot_responder.intake.vms import VmId
    from spot_responder.operators.ports import Login, OperatorPorts
    from spot_responder.operators.views.topic_rights import TopicRight
    from spot_responder.settings import Settings

INFRA: Final = Path(__file__).resolve().parents[2] / "infra"
_ARM: Final = "Azure Resource Manager"
START: Final = "Microsoft.Compute/virtualMachines/start/action"
_EVENT_GRID: Final = "2025-02-15"
_AUTHORIZATION: Final = "2022-04-01"
_HEALTH: Final = "2022-10-01"
_SUBSCRIPTIONS: Final = "2022-12-01"
_NOT_FOUND: Final = re.compile("(Parent)?(Resource)?NotFound|Http404", re.IGNORECASE)
"""The codes by which Azure says that a resource of any kind does not exist: only to a caller that may ask for it."""


@dataclass(frozen=True, slots=True)
class _Right:
    """An action, and a request that needs the right to it and changes nothing."""

    action: str
    method: str
    path: str
    api_version: str


async def diagnosis(
    ports: OperatorPorts,
    settings: Settings,
    now: Callable[[], datetime],
    progress: Callable[[str], None],
    command: CommandLine,
) -> Diagnosis:
    """Check everything, and give the findings. It ends early without a login, or if ARM does not answer.

    ``command`` writes the commands that mend something.
    """
    progress("looking at login")
    try:
        login = await ports.resource_manager.login()
    except CouldNotLookError as nobody:
        return Diagnosis(now(), "nobody", (Finding("login", Health.BAD, nobody.what, nobody.mend),))
    findings = [Finding("login", Health.GOOD, login.name or "a token that does not say whose it is")]
    progress("looking at storage")
    findings += await _storage(ports, command)
    findings += await work_findings(ports.app, settings)
    progress("looking at Azure Resource Manager")
    clock = await _clock(ports, now)
    findings.append(clock)
    if clock.what == _ARM:
        return Diagnosis(now(), login.name, tuple(findings))
    vms, unseen = await _one_vm_each(ports)
    findings += unseen
    found: dict[str, list[Finding]] = {}
    for number, vm_id in enumerate(vms, 1):
        progress(f"looking at subscription {number} of {len(vms)}")
        found[vm_id.subscription_id] = await _subscription(vm_id, ports, settings, login)
    return Diagnosis(now(), login.name, (*findings, *watched_findings(found)))


async def _clock(ports: OperatorPorts, now: Callable[[], datetime]) -> Finding:
    """Compare the clock with ARM's, by a request that every login may send; it also shows whether ARM answers."""
    try:
        answer = await ports.resource_manager.ask("GET", "/subscriptions", _SUBSCRIPTIONS)
    except AzureRefusedError as refused:
        if refused.failure.code == NO_ANSWER:
            return Finding(_ARM, Health.BAD, str(refused), "is ARM_ENDPOINT right, and is the network there?")
        return _unseen("clock", refused)
    return clock_finding(now(), answer.at)


async def _storage(ports: OperatorPorts, command: CommandLine) -> list[Finding]:
    counts, table = await asyncio.gather(ports.dead_letters.counts(), _table(ports))
    unseen = {each.place: each for each in counts.unseen}
    places = counts.by_place.items()
    return [*(place_finding(place, number, unseen.get(place), command) for place, number in places), table]


async def _table(ports: OperatorPorts) -> Finding:
    what = "table recoveries"
    try:
        rows = await ports.app.store.all_recoveries()
    except StoreFailedError as failed:
        if failed.failure.kind is FailureKind.DENIED:
            return Finding(
                what, Health.UNSEEN, str(failed), "have Storage Table Data Reader (to act: Contributor) assigned to it"
            )
        return Finding(what, Health.BAD, str(failed), "is AzureWebJobsStorage__tableServiceUri that of the app?")
    return Finding(what, Health.GOOD, f"reachable, {count(len(rows), 'row')}")


async def _one_vm_each(ports: OperatorPorts) -> tuple[list[VmId], list[Finding]]:
    """Give one Spot VM of each subscription: rights are tried on it."""
    try:
        found = await ports.finder.spot_vms()
    except AzureRefusedError as refused:
        return [], [_unseen("Resource Graph", refused)]
    each = {vm_id.subscription_id.lower(): vm_id for vm_id in found}
    if not each:
        told = "no Spot VM is shown to your login: is there one, and do you have Reader where it is?"
        return [], [Finding("Resource Graph", Health.UNSEEN, told)]
    told = f"Spot VMs that your login sees: {len(found)}; their subscriptions: {len(each)}"
    return list(each.values()), [Finding("Resource Graph", Health.GOOD, told)]


async def _subscription(vm_id: VmId, ports: OperatorPorts, settings: Settings, login: Login) -> list[Finding]:
    scope = f"/subscriptions/{vm_id.subscription_id}"
    role, app = await _role(scope, ports)
    is_app = bool(login.object_id) and login.object_id.lower() in app
    rights = [await _tried(right, ports, is_app=is_app) for right in _rights(vm_id)]
    dead_letters = settings.dead_letters_endpoint
    accounts = Accounts(account_of(settings.queue_endpoint), account_of(dead_letters) if dead_letters else "")
    return [*role, *rights, *await _topics(scope, ports, accounts)]


async def _role(scope: str, ports: OperatorPorts) -> tuple[list[Finding], frozenset[str]]:
    """Find the app's role, and the principals that have it."""
    needed, unread = _read("responder-role.json")
    if unread:
        return [unread], frozenset()
    base = f"{scope}/providers/Microsoft.Authorization"
    try:
        definitions = await ports.resource_manager.listed(
            f"{base}/roleDefinitions?$filter=type%20eq%20'CustomRole'", _AUTHORIZATION
        )
        actions = needed["actions"]
        wanted = [str(action) for action in actions] if isinstance(actions, list) else []
        finding, role_id = role_finding(wanted, definitions, str(needed["roleName"]))
        assignments = await ports.resource_manager.listed(f"{base}/roleAssignments", _AUTHORIZATION) if role_id else []
    except AzureRefusedError as refused:
        return [_unseen("the app's role", refused)], frozenset()
    if not role_id:
        return [finding], frozenset()
    principals = principals_of(role_id, assignments)
    held = Finding("who has the app's role", Health.GOOD, f"object id {', '.join(sorted(principals))}")
    nobody = Finding("who has the app's role", Health.BAD, "nobody: the app may not look or start", "azd provision")
    return [finding, held if principals else nobody], principals


def _rights(vm_id: VmId) -> tuple[_Right, ...]:
    """Give the rights that the app needs at ARM, but reading an operation: a drill tries that one."""
    # A VM that does not exist: Azure checks the right before it answers "not found".
    nobody = f"spot-responder-{uuid.uuid4().hex[:12]}"
    group = f"/subscriptions/{vm_id.subscription_id}/resourceGroups/{vm_id.resource_group}/providers/Microsoft.Compute"
    health = f"{vm_id}/providers/Microsoft.ResourceHealth/availabilityStatuses/current"
    compute = "Microsoft.Compute"
    return (
        _Right(f"{compute}/virtualMachines/read", "GET", str(vm_id), COMPUTE_API),
        _Right(f"{compute}/virtualMachines/instanceView/read", "GET", f"{vm_id}/instanceView", COMPUTE_API),
        _Right(START, "POST", f"{group}/virtualMachines/{nobody}/start", COMPUTE_API),
        _Right(
            f"{compute}/virtualMachineScaleSets/read", "GET", f"{group}/virtualMachineScaleSets/{nobody}", COMPUTE_API
        ),
        _Right("Microsoft.ResourceHealth/availabilityStatuses/read", "GET", health, _HEALTH),
    )


async def _tried(right: _Right, ports: OperatorPorts, *, is_app: bool) -> Finding:
    what = f"right {right.action}"
    try:
        await ports.resource_manager.ask(right.method, right.path, right.api_version)
    except AzureRefusedError as refused:
        if _NOT_FOUND.fullmatch(refused.failure.code):
            return Finding(what, Health.GOOD, "tried: allowed")
        if refused.failure.kind is not FailureKind.DENIED:
            return _unseen(what, refused)
        if is_app:
            return Finding(what, Health.BAD, "tried as the app: denied", "azd provision; a new role takes minutes")
        if right.action == START:
            return Finding(what, Health.GOOD, "tried: your login may not, and need not: the app does it")
        return Finding(what, Health.BAD, "tried: your login may not", "have Reader assigned on the subscription")
    return Finding(what, Health.GOOD, "tried: allowed")


async def _topics(scope: str, ports: OperatorPorts, accounts: Accounts) -> list[Finding]:
    wanted, unread = _read("event-filters.json")
    if unread:
        return [unread]
    try:
        topics = await ports.resource_manager.listed(f"{scope}/providers/Microsoft.EventGrid/systemTopics", _EVENT_GRID)
        findings: list[Finding] = []
        for kind, topic in topic_findings(wanted, topics):
            findings += [missing_topic(kind)] if topic is None else await _topic(kind, topic, wanted, ports, accounts)
    except AzureRefusedError as refused:
        return [_unseen("topics and event subscriptions", refused)]
    return findings


async def _topic(
    kind: str, topic: Mapping[str, object], wanted: Mapping[str, object], ports: OperatorPorts, accounts: Accounts
) -> list[Finding]:
    name = text_field(topic, "name")
    there = await ports.resource_manager.listed(f"{text_field(topic, 'id')}/eventSubscriptions", _EVENT_GRID)
    hanging = subscription_findings(kind, name, wanted, there, accounts)
    principal = text_field(topic, "identity", "principalId")
    rights = [await _topic_right(kind, right, principal, ports) for right in topic_rights(there, accounts)]
    return [Finding(f"topic {kind}", Health.GOOD, f"there: {name}"), *hanging, *rights]


async def _topic_right(kind: str, right: TopicRight, principal: str, ports: OperatorPorts) -> Finding:
    # For one principal Azure lists its assignments at the resource, above and below it.
    of_topic = f"roleAssignments?$filter=principalId%20eq%20'{principal}'"
    try:
        assignments = await ports.resource_manager.listed(
            f"{right.scope}/providers/Microsoft.Authorization/{of_topic}", _AUTHORIZATION
        )
    except AzureRefusedError as refused:
        return _unseen(f"right of topic {kind} to {right.to}", refused)
    return right_finding(kind, right, principal, assignments)


def _read(name: str) -> tuple[Mapping[str, object], Finding | None]:
    """Read a file of ``infra/``, from the clone that the command runs in."""
    try:
        content = json.loads((INFRA / name).read_text(encoding="utf-8"))
    except OSError:
        told = "it is not beside the package: run this from a clone of the release that is deployed"
        return {}, Finding(f"infra/{name}", Health.UNSEEN, told)
    return content, None


def _unseen(what: str, refused: AzureRefusedError) -> Finding:
    return Finding(what, Health.UNSEEN, str(refused))
