"""Takes away what trials have created, by the journal: nothing that is not in it, or not a trial's, is ever touched.

A resource group goes as a whole, and only where it has the tag of the trial that the journal names, and nothing in it
is anybody else's; where something is, only its VM goes, which is what costs. What the journal lists is forgotten only
where ARM has deleted it, or says in so many words that it is not there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import field, text_field
from spot_responder.trial.belonging import is_group, is_own, is_topic, is_vm, is_within, strangers
from spot_responder.trial.field import TAG

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_responder.trial.field import Waits
    from spot_responder.trial.journal import Journal, Made
    from spot_responder.trial.ports import Azure
    from spot_responder.trial.views.observations import Answered

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
_ACCEPTED: Final = 202
_PASSING: Final = frozenset({0, 408, 409, 429})
_BROKEN: Final = 500
_LOCKED: Final = "scopelocked"
_LOCKED_PART: Final = 5
"""A lock that was taken off holds for some seconds more; one that somebody else has put on is there to stay."""
_NO_CONTENT: Final = 204
"""What ARM answers to the deletion of a resource that is not there."""
_STILL: Final = "is still being deleted; a trial later looks again"
OF_ANOTHER: Final = "is of another subscription"
LEFT_ALONE: Final = "left alone"
NOT_OWN: Final = f"{LEFT_ALONE}, for its id is none that its trial can have created: take the line out of the record"
_SHARED: Final = "for the trial has not created all that is in it"
_NAMED: Final = 2
IN_PORTAL: Final = "look in the portal, and delete it there"


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
    late_until = asyncio.get_running_loop().time() + waits.late
    removal = _Removal(azure, journal, waits, tell, late_until)
    listed = journal.listed()
    here = [made for made in listed.remains if made.subscription == subscription.lower()]
    remains = [made for made in here if is_own(made)]
    groups = [each for each in remains if is_group(each.resource_id)]
    problems = {made.resource_id: NOT_OWN for made in here if made not in remains}
    for made in reversed(remains):
        if any(part in made.resource_id.lower() for part in _FIRST):
            problems[made.resource_id] = await removal.delete(made)
    begun, shared = [], []
    for made in groups:
        problems[made.resource_id] = why = await removal.begin(made)
        begun += [] if why else [made]
        shared += [made] if _SHARED in why else []
    for made in begun:
        if await removal.is_gone(made):
            _forget(journal, made)
        else:
            problems[made.resource_id] = _STILL
    inside = [made for made in groups if made not in shared]
    for made in reversed(journal.remains()):
        alone = not any(is_within(made.resource_id, one.resource_id) for one in groups)
        costs = is_vm(made.resource_id) and not any(is_within(made.resource_id, one.resource_id) for one in inside)
        if made in remains and made.resource_id not in problems and (alone or costs):
            problems[made.resource_id] = await removal.delete(made)
    if journal.problem:
        tell(f"{journal.problem}; the next trial looks again")
    still = {made.resource_id for made in journal.remains()}
    others = of_other_subscriptions(listed.remains, subscription)
    return [
        *(f"{resource_id}: {why}" for resource_id, why in problems.items() if why and resource_id in still),
        *(f"{made.resource_id}: {OF_ANOTHER}" for each in others.values() for made in each),
        *listed.damaged,
    ]


@dataclass(frozen=True, slots=True)
class _Removal:
    """What a removal works with."""

    azure: Azure
    journal: Journal
    waits: Waits
    tell: Callable[[str], None]
    late_until: float

    async def begin(self, made: Made) -> str:
        """Ask for the deletion of a group, if it is there and the trial's own; give why it is not deleted."""
        there = await self._ask("GET", made)
        if _is_absent(there, made):
            _forget(self.journal, made)
            return "is not there any more"
        if not there.is_good:
            return _told(there)
        if text_field(there.body, "tags", TAG) != made.run:
            return f"{LEFT_ALONE}, for it has not the tag {TAG}={made.run} of its trial"
        problem = await self._problem_of_strangers(made)
        if problem:
            return problem
        self.tell(f"deleting {_name(made)}, with all that is in it")
        answer = await self._ask("DELETE", made)
        return "" if answer.is_good or _is_absent(answer, made) else _told(answer)

    async def _problem_of_strangers(self, group: Made) -> str:
        """Say what keeps a group from being deleted: something in it that the trial has not created."""
        topics = [
            each
            for each in self.journal.remains()
            if is_within(each.resource_id, group.resource_id) and is_topic(each.resource_id)
        ]
        # What hangs on a topic is in no list of its group.
        places = [(group, "resources"), *((topic, "eventSubscriptions") for topic in topics)]
        listed: list[str] = []
        for above, kind in places:
            answer, found = await self._listed(replace(above, resource_id=f"{above.resource_id}/{kind}"))
            listed += found
            if not answer.is_good and not (above in topics and _is_absent(answer, above)):
                return f"it could not be seen what is in it: {_told(answer)}"
        others = [each.partition("/providers/")[2] for each in strangers(listed, self.journal.remains(), group)]
        if not others:
            return ""
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        by_hand = f"az group delete --name {_name(group)} --subscription {group.subscription}"
        return f"{LEFT_ALONE}, {_SHARED}: {', '.join(others[:_NAMED])}{more}. If nobody needs that: {by_hand}"

    async def _listed(self, place: Made) -> tuple[Answered, list[str]]:
        """Give the ids of all pages of a list, with the answer that ended it."""
        answer = await self._persistently("GET", place)
        listed: list[str] = []
        while answer.is_good:
            values = field(answer.body, "value")
            listed += [text_field(each, "id") for each in values] if isinstance(values, list) else []
            address = text_field(answer.body, "nextLink")
            if not address:
                break
            answer = await self.azure.follow(address)
        return answer, listed

    async def delete(self, made: Made) -> str:
        """Delete a resource by itself; give why it could not be."""
        answer = await self._ask("DELETE", made)
        if answer.status == _ACCEPTED and not await self.is_gone(made):
            return _STILL
        if answer.is_good or _is_absent(answer, made):
            self.journal.forget(made.resource_id)
            return ""
        return f"could not be deleted: {_told(answer)}"

    async def is_gone(self, made: Made) -> bool:
        """Wait until ARM says that it is not there."""
        try:
            async with asyncio.timeout(self.waits.gone):
                while True:
                    if _is_absent(await self.azure.ask("GET", made.resource_id, made.api_version), made):
                        return True
                    await asyncio.sleep(self._pause)
        except TimeoutError:
            return False

    async def _ask(self, method: str, made: Made) -> Answered:
        """Ask about a resource, again where that may help: what is left goes on costing.

        One whose creation got no answer may come to be after ARM has said that it is not there: it is looked for until
        none can come any more.
        """
        answer = await self._persistently(method, made)
        if made.resource_id.lower() in self.journal.unanswered and _is_nothing(answer, made):
            left_s = self.late_until - asyncio.get_running_loop().time()
            if left_s > 0:
                self.tell(f"{_name(made)}: its creation got no answer, so it is looked for for {left_s:.0f} s")
            while _is_nothing(answer, made) and asyncio.get_running_loop().time() < self.late_until:
                await asyncio.sleep(self._pause)
                answer = await self._persistently(method, made)
        return answer

    async def _persistently(self, method: str, made: Made) -> Answered:
        loop = asyncio.get_running_loop()
        began, told = loop.time(), False
        while True:
            answer = await self.azure.ask(method, made.resource_id, made.api_version)
            code = text_field(answer.body, "error", "code").lower()
            patience_s = self.waits.gone / (_LOCKED_PART if code == _LOCKED else 1)
            pause_s = max(self._pause, answer.asked_pause_s)
            if not _may_pass(answer) or loop.time() + pause_s - began > patience_s:
                return answer
            if not told:
                self.tell(f"{_name(made)}: {answer.told()}; it is tried again for {patience_s:.0f} s")
                told = True
            await asyncio.sleep(pause_s)

    @property
    def _pause(self) -> float:
        return min(_PAUSE_S, self.waits.look)


def _may_pass(answer: Answered) -> bool:
    """Whether the same request may be answered otherwise a moment later; no answer has status 0."""
    return answer.status in _PASSING or answer.status >= _BROKEN


def _name(made: Made) -> str:
    return made.resource_id.rpartition("/")[2]


def _is_absent(answer: Answered, made: Made) -> bool:
    """Whether ARM says that it is not there: the group of a group, any of the codes of another resource."""
    code = text_field(answer.body, "error", "code").lower()
    known = {NO_GROUP} if is_group(made.resource_id) else NO_RESOURCE
    return answer.status == _NOT_FOUND and code in known


def _is_nothing(answer: Answered, made: Made) -> bool:
    """Whether there is nothing to delete, so far."""
    return answer.status == _NO_CONTENT or _is_absent(answer, made)


def _told(answer: Answered) -> str:
    """Say why ARM did not do it; what a 404 with another code leaves open is for a person to look at."""
    if answer.status != _NOT_FOUND:
        return answer.told()
    return f"{answer.told()}; this does not say that it is gone: {IN_PORTAL}"


def _forget(journal: Journal, group: Made) -> None:
    """Forget a group that is gone, and first all that was in it."""
    for each in journal.remains():
        if is_within(each.resource_id, group.resource_id) and each != group:
            journal.forget(each.resource_id)
    journal.forget(group.resource_id)
