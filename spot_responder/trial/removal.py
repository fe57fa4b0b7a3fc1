"""Takes away what trials have created, by the journal alone: nothing that is not in it is ever touched.

A resource group goes as a whole, and only where it has the tag of the trial that the journal names.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import text_field
from spot_responder.trial.field import RESOURCES, TAG

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_responder.trial.field import Waits
    from spot_responder.trial.journal import Journal, Made
    from spot_responder.trial.ports import Azure

_GROUP: Final = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+", re.IGNORECASE)
_FIRST: Final = ("/providers/microsoft.authorization/locks/", "/eventsubscriptions/")
"""What must be deleted by itself: a lock keeps its group from being deleted, an event subscription may hang on a topic
of another group."""
_NOT_FOUND: Final = 404
_PAUSE_S: Final = 10.0


async def take_away(azure: Azure, journal: Journal, waits: Waits, tell: Callable[[str], None]) -> list[str]:
    """Delete all that the journal lists; give what could not be, one line each. Done again, it goes on."""
    problems: list[str] = []
    remains = journal.remains()
    groups = [each for each in remains if _GROUP.fullmatch(each.resource_id)]
    for made in reversed(remains):
        is_first = any(part in made.resource_id.lower() for part in _FIRST)
        if is_first and not await _delete(azure, journal, made):
            problems.append(f"{made.resource_id}: could not be deleted")
    begun = [made for made in groups if await _begin(azure, journal, made, tell, problems)]
    for made in begun:
        if await _is_gone(azure, made, waits):
            _forget(journal, made)
        else:
            problems.append(f"{made.resource_id}: is still being deleted; a trial later looks again")
    inside = {made.resource_id.lower() for made in groups}
    loose = [each for each in journal.remains() if not any(_is_within(each, group) for group in inside)]
    problems += [
        f"{each.resource_id}: could not be deleted" for each in loose if not await _delete(azure, journal, each)
    ]
    return list(dict.fromkeys(problems))


async def _begin(azure: Azure, journal: Journal, made: Made, tell: Callable[[str], None], problems: list[str]) -> bool:
    """Ask for the deletion of a group, if it is there and the trial's own."""
    there = await azure.ask("GET", made.resource_id, made.api_version)
    if there.status == _NOT_FOUND:
        _forget(journal, made)
        return False
    if not there.is_good:
        problems.append(f"{made.resource_id}: {there.told()}")
        return False
    if text_field(there.body, "tags", TAG) != made.run:
        problems.append(f"{made.resource_id}: left alone, for it has not the tag {TAG}={made.run} of its trial")
        return False
    tell(f"deleting {made.resource_id.rpartition('/')[2]}, with all that is in it")
    answer = await azure.ask("DELETE", made.resource_id, RESOURCES)
    if not answer.is_good and answer.status != _NOT_FOUND:
        problems.append(f"{made.resource_id}: {answer.told()}")
        return False
    return True


async def _is_gone(azure: Azure, made: Made, waits: Waits) -> bool:
    try:
        async with asyncio.timeout(waits.gone):
            while True:
                if (await azure.ask("GET", made.resource_id, made.api_version)).status == _NOT_FOUND:
                    return True
                await asyncio.sleep(min(_PAUSE_S, waits.look))
    except TimeoutError:
        return False


async def _delete(azure: Azure, journal: Journal, made: Made) -> bool:
    answer = await azure.ask("DELETE", made.resource_id, made.api_version)
    if answer.is_good or answer.status == _NOT_FOUND:
        journal.forget(made.resource_id)
        return True
    return False


def _forget(journal: Journal, group: Made) -> None:
    """Forget a group that is gone, and first all that was in it."""
    for each in journal.remains():
        if _is_within(each, group.resource_id.lower()) and each != group:
            journal.forget(each.resource_id)
    journal.forget(group.resource_id)


def _is_within(made: Made, group: str) -> bool:
    return f"{made.resource_id.lower()}/".startswith(f"{group}/")
