"""What a trial says before it creates anything: what, for how much, for how long, with which rights. Pure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from spot_responder.text import count
from spot_responder.trial.views.rights import needed
from spot_responder.trial.views.verdicts import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

BESIDES_USD: Final = 0.2
"""What disk, storage, events and queries cost at most in that time, generously."""
_CREATED: Final = {
    Step.GROUP: "a resource group of its own, rg-spot-responder-trial-…, with the tag spot-responder-trial",
    Step.WITNESS: "in it: a storage account, and two system topics where the subscription has none; to each topic of\n"
    "    the subscription an event subscription, and the roles at the account that topics and you need",
    Step.MACHINE: "in it: a virtual network without a way in, and one Spot VM ({size}, {location}),\n"
    "    whose identity has no rights, with a listener that prints to the VM's serial log",
}
_DONE: Final = {
    Step.EVICTION: "has Azure evict that VM, gives it another size and its own again, and starts it again",
    Step.STOP: "stops that VM",
    Step.REFUSALS: "has starts of that VM refused: by a lock, by a max price of almost zero; and a VM beyond the quota",
}
_MINUTES: Final = {
    Step.READ: 1,
    Step.OFFERINGS: 1,
    Step.GROUP: 1,
    Step.WITNESS: 15,
    Step.STORAGE: 15,
    Step.MACHINE: 10,
    Step.EVICTION: 65,
    Step.STOP: 20,
    Step.REFUSALS: 10,
    Step.QUOTA: 1,
}
"""How long each step usually takes, where Azure begins an eviction within 30 minutes."""
REMOVAL_MINUTES: Final = 40
"""So long a trial waits for its resource group to be gone."""
USUAL_MINUTES: Final = sum(_MINUTES.values()) + REMOVAL_MINUTES
"""How long a whole trial takes at most, if Azure is not slow."""
PAID_MINUTES: Final = 300
"""For longer its VM is not paid: where Azure is slow, by the waits of ``IN_AZURE`` the steps that have a VM take 240
minutes; then the VM goes."""


def max_price(max_cost: float) -> float:
    """Give the max price of the VM, in USD an hour, with which a trial cannot cost more."""
    return round((max_cost - BESIDES_USD) * 60 / PAID_MINUTES, 5)


def announcement(  # noqa: PLR0913, PLR0917 - what is said has so many parts
    steps: Sequence[Step],
    subscription: str,
    location: str,
    size: str,
    max_cost: float,
    login: str,
    remains: int,
    *,
    keep: bool,
) -> str:
    """Say it. ``keep``: what it creates is left there at its end."""
    makes = [text.format(size=size, location=location) for step, text in _CREATED.items() if step in steps]
    does = [text for step, text in _DONE.items() if step in steps]
    lines = [f"A trial in subscription {subscription}, as {login}."]
    lines += ["It creates:", *(f"  - {text}" for text in makes)] if makes else ["It creates nothing."]
    lines += ["It", *(f"  - {text}" for text in does)] if does else []
    if Step.MACHINE in steps:
        lines.append(
            f"It costs {max_cost:.2f} USD at most until it ends: the VM's max price is {max_price(max_cost)} USD"
            "\nan hour, above which Azure does not run it. A VM that is left behind goes on costing up to that."
        )
    elif makes:
        lines.append(f"It costs {BESIDES_USD:.2f} USD at most until it ends.")
    removes = makes and not keep
    minutes = sum(_MINUTES[step] for step in steps) + REMOVAL_MINUTES * bool(removes)
    lines.append(f"It usually takes up to {minutes} minutes, and longer where Azure is slow.")
    others = "to take away what an earlier trial has left, those of that trial" if remains else "no others"
    lines += [f"It needs these rights, and {others}:", *_wrapped(needed(steps))]
    if removes:
        lines.append(
            "At its end it takes all of that away, also after Ctrl-C. If this trial is killed, the next one does so."
        )
    elif makes:
        lines.append(
            "At its end it leaves all of that there, which goes on costing until the next trial, or --take-away, takes "
            "it away."
        )
    if remains:
        lines.append(
            f"Before that it takes away what an earlier trial has left: {count(remains, 'resource')}, which may take "
            f"{REMOVAL_MINUTES} minutes more."
        )
    return "\n".join(lines) + "\n"


def _wrapped(words: Sequence[str]) -> list[str]:
    return textwrap.wrap(", ".join(words), 116, initial_indent="  ", subsequent_indent="  ", break_long_words=False)
