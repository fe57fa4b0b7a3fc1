"""Takes away what trials have created, by the journal alone: nothing that is not in it is ever touched.

A resource group goes as a whole, and only where it has the tag of the trial that the journal names. What the journal
lists is forgotten only where ARM has deleted it, or says in so many words that it is not there.
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
    from spot_responder.trial.views.observations import Answered

_GROUP: Final = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+", re.IGNORECASE)
_FIRST: Final = ("/providers/microsoft.authorization/locks/", "/eventsubscriptions/")
"""What must be deleted by itself: a lock keeps its group from being deleted, an event subscription may hang on a topic
of another group."""
_NOT_FOUND: Final = 404
NO_GROUP: Final = "resourcegroupnotfound"
NO_RESOURCE: Final = frozenset({NO_GROUP, "resourcenotfound", "parentresourcenotfound"})
"""The codes by which ARM says that the very thing in the address, or what it was in, is not there (belief C29).

Any other 404 tells nothing of it: ``SubscriptionNotFound`` is what a login of another directory gets, and ``NotFound``
or a page without a code may come of whatever answers at a wrong address."""
_PAUSE_S: Final = 10.0


def of_other_subscriptions(remains: list[Made], subscription: str) -> dict[str, list[Made]]:
    """Give what is listed of other subscriptions, by these: this one's ARM knows nothing of it."""
    found: dict[str, list[Made]] = {}
    for made in remains:
        if made.subscription != subscription.lower():
            found.setdefault(made.subscription, []).append(made)
    return found


async def take_away(
    azure: Azure, journal: Journal, subscription: str, waits: Waits, tell: Callable[[str], None]
) -> list[str]:
    """Delete all that the journal lists of a subscription; give what could not be, one line each.

    Done again, it goes on. What the journal lists of other subscriptions, or in lines that are damaged, is left alone,
    and given too.
    """
    listed = journal.listed()
    remains = [made for made in listed.remains if made.subscription == subscription.lower()]
    groups = [each for each in remains if _GROUP.fullmatch(each.resource_id)]
    problems: dict[str, str] = {}
    for made in reversed(remains):
        if any(part in made.resource_id.lower() for part in _FIRST):
            problems[made.resource_id] = await _delete(azure, journal, made)
    begun = []
    for made in groups:
        problems[made.resource_id] = why = await _begin(azure, journal, made, tell)
        begun += [] if why else [made]
    for made in begun:
        if await _is_gone(azure, made, waits):
            _forget(journal, made)
        else:
            problems[made.resource_id] = "is still being deleted; a trial later looks again"
    inside = {made.resource_id.lower() for made in groups}
    for made in journal.remains():
        if made in remains and made.resource_id not in problems and not any(_is_within(made, one) for one in inside):
            problems[made.resource_id] = await _delete(azure, journal, made)
    still = {made.resource_id for made in journal.remains()}
    others = of_other_subscriptions(listed.remains, subscription)
    return [
        *(f"{resource_id}: {why}" for resource_id, why in problems.items() if why and resource_id in still),
        *(f"{made.resource_id}: is of another subscription" for each in others.values() for made in each),
        *listed.damaged,
    ]


async def _begin(azure: Azure, journal: Journal, made: Made, tell: Callable[[str], None]) -> str:
    """Ask for the deletion of a group, if it is there and the trial's own; give why it is not deleted."""
    there = await azure.ask("GET", made.resource_id, made.api_version)
    if _is_absent(there, made):
        _forget(journal, made)
        return "is not there any more"
    if not there.is_good:
        return _told(there)
    if text_field(there.body, "tags", TAG) != made.run:
        return f"left alone, for it has not the tag {TAG}={made.run} of its trial"
    tell(f"deleting {made.resource_id.rpartition('/')[2]}, with all that is in it")
    answer = await azure.ask("DELETE", made.resource_id, RESOURCES)
    return "" if answer.is_good or _is_absent(answer, made) else _told(answer)


async def _is_gone(azure: Azure, made: Made, waits: Waits) -> bool:
    try:
        async with asyncio.timeout(waits.gone):
            while True:
                if _is_absent(await azure.ask("GET", made.resource_id, made.api_version), made):
                    return True
                await asyncio.sleep(min(_PAUSE_S, waits.look))
    except TimeoutError:
        return False


async def _delete(azure: Azure, journal: Journal, made: Made) -> str:
    """Delete a resource by itself; give why it could not be."""
    answer = await azure.ask("DELETE", made.resource_id, made.api_version)
    if answer.is_good or _is_absent(answer, made):
        journal.forget(made.resource_id)
        return ""
    return f"could not be deleted: {_told(answer)}"


def _is_absent(answer: Answered, made: Made) -> bool:
    """Whether ARM says that it is not there: the group of a group, any of the codes of another resource."""
    code = text_field(answer.body, "error", "code").lower()
    known = {NO_GROUP} if _GROUP.fullmatch(made.resource_id) else NO_RESOURCE
    return answer.status == _NOT_FOUND and code in known


def _told(answer: Answered) -> str:
    """Say why ARM did not do it; what a 404 with another code leaves open is for a person to look at."""
    if answer.status != _NOT_FOUND:
        return answer.told()
    return f"{answer.told()}; this does not say that it is gone: look in the portal, and delete it there"


def _forget(journal: Journal, group: Made) -> None:
    """Forget a group that is gone, and first all that was in it."""
    for each in journal.remains():
        if _is_within(each, group.resource_id.lower()) and each != group:
            journal.forget(each.resource_id)
    journal.forget(group.resource_id)


def _is_within(made: Made, group: str) -> bool:
    return f"{made.resource_id.lower()}/".startswith(f"{group}/")
