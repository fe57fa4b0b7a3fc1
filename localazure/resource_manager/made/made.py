"""Creates, shows and deletes resources at ARM, and lets what they do begin. ``arm.py`` asks it first.

Resources that a world began with (its VMs, what is deployed) are not its own: for them it gives no answer, and
``arm.py`` answers as ever.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from localazure.resource_manager.api_versions import check_version
from localazure.resource_manager.arm_resources import read_content
from localazure.resource_manager.made import kinds, rules
from localazure.resource_manager.made.new_vm import new_vm
from localazure.resource_manager.made.topic_rules import check_new_topic, check_rights_of_topic
from localazure.world.azure_errors import Refused, group_not_found
from localazure.world.owner_moves import DELETE, WRITE
from localazure.world.timestamps import guid
from localazure.world.vm_lifecycle import START

if TYPE_CHECKING:
    from collections.abc import Callable

    from localazure.resource_manager.access import Access
    from localazure.resource_manager.deployment import Deployed
    from localazure.resource_manager.made.kinds import Kind

type Body = dict[str, Any]

_CONSOLE: Final = re.compile(rf"(?P<vm>{kinds.VM.path.pattern})/retrievebootdiagnosticsdata", re.IGNORECASE)
LOCKED: Final = (START, WRITE, DELETE)


@dataclass(frozen=True, slots=True)
class Effects:
    """What begins and ends with a resource, outside of ARM.

    ``endpoints``: where a storage account is, by service; ``queue`` and ``container`` are told the name of one that was
    created; ``events``: event subscriptions have changed; ``boot`` is told the name and the custom data of a new VM;
    ``console`` gives the address at which a VM's serial log is read.
    """

    endpoints: Callable[[], dict[str, str]]
    queue: Callable[[str], None]
    container: Callable[[str], None]
    events: Callable[[], None]
    boot: Callable[[str, str], None]
    console: Callable[[str], str]


@dataclass(slots=True)
class Made:
    """What was created: bodies by their id in lower case. ``deployed`` has topics, their subscriptions and rights."""

    deployed: Deployed
    effects: Effects
    bodies: dict[str, Body] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def answer(self, access: Access, request: web.Request, raw: bytes, principal: str) -> web.Response | None:
        """Answer about a resource that is or shall be created here; ``None`` where it is none of ours.

        Raises:
            Refused: as ARM refuses.
        """
        if (locked := self._lock_against(request)) is not None:
            raise locked
        if (printed := _CONSOLE.fullmatch(request.path)) is not None and request.method == "POST":
            check_version(kinds.VM.name, request.query["api-version"], "westeurope")
            access.authorize(principal, f"{kinds.VM.name}/retrieveBootDiagnosticsData/action", printed["vm"])
            return web.json_response({"serialConsoleLogBlobUri": self.effects.console(printed["name"])})
        found = kinds.find(request.path)
        if found is None:
            return rules.answer(access, request, principal, self.bodies)
        kind, match = found
        is_ours = request.path.lower() in self.bodies
        match request.method:
            case "PUT" if is_ours or access.world.find(request.path) is None:
                self._enter(access, kind, request, principal, "write")
                return self._put(access, kind, match, read_content(raw), principal)
            case "GET" | "HEAD" if is_ours and kind is not kinds.VM:
                self._enter(access, kind, request, principal, "read")
                return web.json_response(self.bodies[request.path.lower()])
            case "GET" | "HEAD" if kind is kinds.GROUP and request.path.lower() in self.gone:
                raise group_not_found(match["group"])
            case "GET" | "HEAD" if kind is not kinds.VM and request.path.lower() in self.gone:
                raise Refused(
                    404, "ResourceNotFound", f"The resource '{request.path.rpartition('/')[2]}' was not found."
                )
            case "DELETE" if kind is not kinds.VM:
                self._enter(access, kind, request, principal, "delete")
                return self._delete(access, request.path) if is_ours else web.Response(status=204)
            case _:
                return None

    def _enter(self, access: Access, kind: Kind, request: web.Request, principal: str, verb: str) -> None:
        check_version(kind.name, request.query["api-version"], "westeurope")
        access.authorize(principal, kind.action(verb), request.path)

    def _put(self, access: Access, kind: Kind, match: re.Match[str], content: Body, principal: str) -> web.Response:
        path = match[0]
        self._check_parent(kind, match)
        body = {"id": path, "name": path.rpartition("/")[2], "type": kind.name, **content}
        properties = dict(content.get("properties") or {})
        body["properties"] = properties | {"provisioningState": "Succeeded"}
        if kind is kinds.VM:
            machine = new_vm(match, content, access.world.now)
            access.world.create_vm(machine, principal)
            # Azure shows it to nobody.
            system = dict(body["properties"].get("osProfile") or {})
            self.effects.boot(machine.name, str(system.pop("customData", "")))
            body["properties"]["osProfile"] = system
            body["properties"]["provisioningState"] = "Creating"
        self._begin(kind, match, body)
        self.bodies[path.lower()] = body
        self.gone.discard(path.lower())
        return web.json_response(body, status=201)

    def _check_parent(self, kind: Kind, match: re.Match[str]) -> None:
        if kind in {kinds.GROUP, kinds.LOCK, kinds.ASSIGNMENT}:
            return
        group = f"/subscriptions/{match['subscription']}/resourcegroups/{match['group']}".lower()
        ours = self.bodies.get(group)
        if ours is None and kind is not kinds.SUBSCRIPTION:
            raise group_not_found(match["group"])
        if ours is not None and ours["properties"]["provisioningState"] == "Deleting":
            text = (
                f"The resource group '{match['group']}' is in deprovisioning state and cannot perform this operation."
            )
            raise Refused(409, "ResourceGroupBeingDeleted", text)

    def _begin(self, kind: Kind, match: re.Match[str], body: Body) -> None:
        """Let a new resource begin to do what such a resource does."""
        if kind is kinds.ACCOUNT:
            body["properties"]["primaryEndpoints"] = self.effects.endpoints()
        elif kind is kinds.QUEUE:
            self.effects.queue(match["name"])
        elif kind is kinds.CONTAINER:
            self.effects.container(match["name"])
        elif kind is kinds.ASSIGNMENT:
            body["properties"] |= {"scope": match["at"]}
            self.deployed.assignments.append(body)
        elif kind is kinds.TOPIC:
            check_new_topic(self.deployed, body)
            body["identity"] = {"type": "SystemAssigned", "principalId": guid("principal", body["id"])}
            self.deployed.topics[match["topic"]] = body
        elif kind is kinds.SUBSCRIPTION:
            check_rights_of_topic(self.deployed, match["topic"], body)
            self.deployed.subscriptions.setdefault(match["topic"], []).append(body)
            self.effects.events()

    def _delete(self, access: Access, path: str) -> web.Response:
        """Begin to delete a resource and all below it; it is gone when the world says so."""
        doomed = [each for each in self.bodies if each == path.lower() or each.startswith(f"{path.lower()}/")]
        for each in doomed:
            self.bodies[each]["properties"]["provisioningState"] = "Deleting"
        access.world.schedule(access.world.durations.deallocation, lambda: self._gone(access, path.lower(), doomed))
        return web.Response(status=202, headers={"Retry-After": "15"})

    def _gone(self, access: Access, path: str, doomed: list[str]) -> None:
        for machine in access.world.machines():
            if machine.deleted_at is None and machine.vm_id.lower().startswith(f"{path}/"):
                access.world.delete(machine.vm_id)
        self.gone.update(doomed)
        for each in doomed:
            self.bodies.pop(each, None)
        there, topics = self.deployed, self.deployed.topics
        for name in [name for name, topic in topics.items() if topic["id"].lower() in doomed]:
            del topics[name]
            there.subscriptions.pop(name, None)
        for name, hanging in there.subscriptions.items():
            there.subscriptions[name] = [each for each in hanging if each["id"].lower() not in doomed]
        there.assignments[:] = [each for each in there.assignments if each["id"].lower() not in doomed]
        self.effects.events()

    def _lock_against(self, request: web.Request) -> Refused | None:
        if request.method not in {"PUT", "PATCH", "POST", "DELETE"} or "/locks/" in request.path.lower():
            return None
        path = f"{request.path.lower()}/"
        for each in self.bodies:
            at, is_lock, _ = each.partition("/providers/microsoft.authorization/locks/")
            if is_lock and (path.startswith(f"{at}/") or (request.method == "DELETE" and at.startswith(path))):
                text = (
                    f"The scope '{request.path}' cannot perform write operation because following scope(s) are "
                    f"locked: '{at}'. Please remove the lock and try again."
                )
                return Refused(409, "ScopeLocked", text)
        return None
