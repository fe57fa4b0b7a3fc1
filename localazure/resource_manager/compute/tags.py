"""Tags as ARM itself changes them on any resource: ``…/providers/Microsoft.Resources/tags/default``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from localazure.resource_manager.arm_resources import GROUP_PATH, Resource
from localazure.world.azure_errors import Refused, not_found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localazure.resource_manager.arm_resources import Asked
    from localazure.world.machines import Machine

READ: Final = "Microsoft.Resources/tags/read"
WRITE: Final = "Microsoft.Resources/tags/write"
DELETE: Final = "Microsoft.Resources/tags/delete"
MOST: Final = 50
"""A resource has no more of them."""


def resources() -> tuple[Resource, ...]:
    """Give the tags of VMs; of groups and subscriptions the laptop Azure has none."""
    vm = rf"(?P<vm>{GROUP_PATH}/providers/microsoft\.compute/virtualmachines/(?P<name>[^/]+))"
    path = rf"{vm}/providers/microsoft\.resources/tags/default"
    return (Resource("Microsoft.Resources/tags", path, {"GET": _get, "PUT": _put, "PATCH": _patch, "DELETE": _delete}),)


def _get(asked: Asked) -> web.Response:
    asked.authorize(READ)
    return _answer(_machine(asked))


def _put(asked: Asked) -> web.Response:
    asked.authorize(WRITE)
    return _written(asked, read_tags(asked.content()))


def _delete(asked: Asked) -> web.Response:
    asked.authorize(DELETE)
    _written(asked, {})
    return web.Response(status=200)


def _patch(asked: Asked) -> web.Response:
    """Merge, replace or delete. Names are compared without regard to case."""
    asked.authorize(WRITE)
    content = asked.content()
    given, before = read_tags(content), dict(_machine(asked).tags)
    match str(content.get("operation", "")).lower():
        case "replace":
            return _written(asked, given)
        case "merge":
            return _written(asked, merged(before, given))
        case "delete":
            gone = {(name.lower(), value) for name, value in given.items()}
            kept = {name: value for name, value in before.items() if (name.lower(), value) not in gone}
            return _written(asked, kept)
        case other:
            message = f"The tags operation '{other[:100]}' is not valid. The valid ones are 'Merge, Replace, Delete'."
            raise Refused(400, "InvalidTagsOperation", message)


def merged(before: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Put tags beside those that are there; one of the same name, in any casing, takes the other's place."""
    named = {name.lower() for name in given}
    return {name: value for name, value in before.items() if name.lower() not in named} | dict(given)


def read_tags(content: Mapping[str, Any]) -> dict[str, str]:
    """Read ``properties.tags``; raises ``Refused`` 400."""
    properties = content.get("properties")
    return checked_tags(properties.get("tags") if isinstance(properties, dict) else None)


def checked_tags(tags: object) -> dict[str, str]:
    """Take an object of texts as tags; raises ``Refused`` 400 in ARM's words for anything else."""
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise Refused(400, "InvalidRequestContent", "The request content was invalid: 'tags' must hold texts.")
    if len(tags) > MOST:
        message = f"The number of tags {len(tags)} exceeds the maximum allowed number of {MOST}."
        raise Refused(400, "InvalidTags", message)
    if len({name.lower() for name in tags}) < len(tags):
        message = "The tag names are not unique: they are compared without regard to case."
        raise Refused(400, "DuplicateTagNames", message)
    return tags


def _written(asked: Asked, tags: Mapping[str, str]) -> web.Response:
    machine = _machine(asked)
    asked.access.world.update(machine, asked.principal, checked_tags(dict(tags)), machine.size, machine.max_price)
    return _answer(machine)


def _machine(asked: Asked) -> Machine:
    machine = asked.access.world.find(asked.match["vm"])
    if machine is None:
        raise not_found(asked.match["name"], asked.match["group"])
    return machine


def _answer(machine: Machine) -> web.Response:
    return web.json_response(
        {
            "id": f"{machine.vm_id}/providers/Microsoft.Resources/tags/default",
            "name": "default",
            "type": "Microsoft.Resources/tags",
            "properties": {"tags": dict(machine.tags)},
        }
    )
