"""What trials have left behind: said with the command that takes it away, refused where it is elsewhere, taken away."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spot_responder.advised_command import CommandLine
from spot_responder.terminal.results import FINE, WRONG, CommandResult, StopError
from spot_responder.text import count, shortened
from spot_responder.trial.journal import UnreadableJournalError
from spot_responder.trial.removal import IN_PORTAL, LEFT_ALONE, of_other_subscriptions, take_away
from spot_responder.trial.shielding import to_its_end

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from spot_responder.trial.field import Waits
    from spot_responder.trial.journal import Journal
    from spot_responder.trial.ports import Azure

_USUAL: Final = Path(".local")
_LONGEST: Final = 500
_NOTHING_LISTED: Final = (
    "lists nothing of this subscription, so nothing was looked for. If a trial's record is in another folder, give "
    "that, --out FOLDER; if it is lost, look in the portal for resource groups rg-spot-responder-trial-… and for event "
    "subscriptions spot-responder-trial-… at the subscription's system topics, and delete them there"
)
_OF: Final = re.compile(r"/subscriptions/([^/]+)/", re.IGNORECASE)


def command_for(arguments: Namespace, subscription: str = "") -> str:
    """Write the command that takes away what trials have left in a subscription; in this trial's, if none is given."""
    folder = [] if arguments.out == _USUAL else ["--out", arguments.out]
    wanted = subscription or arguments.subscription
    return CommandLine(arguments.local)("trial", "--subscription", wanted, *folder, "--take-away")


def told_left(arguments: Namespace, left: Sequence[str]) -> str:
    """Say what is left, which may cost money, and how to take it away; in lines, or ``""`` where nothing is."""
    if not left:
        return ""
    lines = [f"left behind: {shortened(each, _LONGEST)}" for each in left]
    found = [_OF.match(each) for each in left]
    theirs = [each[1].lower() if each else "" for each in found]
    by_hand = [LEFT_ALONE in each or IN_PORTAL in each for each in left]
    ours = dict.fromkeys(one for one, alone in zip(theirs, by_hand, strict=True) if one and not alone)
    lines += [f"It may cost money. To take it away: {command_for(arguments, each)}" for each in ours]
    if any(by_hand):
        lines.append(
            "What was left alone, or cannot be seen, this program does not take away: look at it in the portal."
        )
    if "" in theirs:
        lines.append("Look in the portal for what a damaged line may have named, then take the line out.")
    return "\n".join([*lines, ""])


def check_journal(arguments: Namespace, journal: Journal) -> None:
    """See that nothing is listed which this trial could not take away.

    Raises:
        UnreadableJournalError: if a line is damaged.
        StopError: if something is listed of another subscription.
    """
    listed = journal.listed()
    if listed.damaged:
        more = f" (and {len(listed.damaged) - 1} more)" if len(listed.damaged) > 1 else ""
        message = (
            f"{listed.damaged[0]}{more}. Look in the portal for a resource group rg-spot-responder-trial-… that it may "
            "have named and delete it, then take the line out; nothing was begun"
        )
        if listed.remains:
            message += (
                f". What the other lines list, {count(len(listed.remains), 'resource')}: {command_for(arguments)}"
            )
        raise UnreadableJournalError(message)
    for subscription, made in of_other_subscriptions(listed.remains, arguments.subscription).items():
        message = (
            f"{journal.path} lists {count(len(made), 'resource')} that a trial has left in subscription "
            f"{subscription}, such as {made[0].resource_id}: take them away first, by "
            f"{command_for(arguments, subscription)}, or give this trial a folder of its own, --out FOLDER; "
            "nothing was begun"
        )
        raise StopError(message)


async def taken_away(
    arguments: Namespace, azure: Azure, journal: Journal, waits: Waits, tell: Callable[[str], None]
) -> CommandResult:
    """Take away what trials have left in a subscription, and nothing else."""
    before = journal.remains()
    ours = [each for each in before if each.subscription == arguments.subscription.lower()]
    left, _ = await to_its_end(take_away(azure, journal, arguments.subscription, waits, tell), tell, announced=False)
    gone = len(before) - len(journal.remains())
    nothing = "" if ours else f"{journal.path} {_NOTHING_LISTED}\n"
    line = f"taken away: {count(gone, 'resource')}\n{nothing}{told_left(arguments, left)}"
    return CommandResult({"taken_away": gone, "left": left}, lambda _: line, WRONG if left else FINE)
