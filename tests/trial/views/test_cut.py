"""However long a text of Azure's is, half a name or half an id of a subscription is never left at a cut."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from spot_responder.trial.views.observations import Heard, Mark
from spot_responder.trial.views.report import belief_list, page, payloads, redaction_of
from tests.trial.harness.made_up import JUDGES, T, at, bad, event, ok, seen

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = st.text("qxzjvw", min_size=12, max_size=40)
"""Of letters that make no word: what is left of one can be told from Azure's words."""
PART = 6
"""So much of a secret tells whose it is; less is found in any text."""


def parts(text: str) -> set[str]:
    """Give all parts of a text of this length."""
    return {text[first : first + PART] for first in range(len(text) - PART + 1)}


def left_of(secrets: Iterable[str], text: str, innocent: str) -> set[str]:
    """Give the parts of secrets that are in a text, but for those that stand in innocent words anyhow."""
    return set().union(*map(parts, secrets)) & parts(text.lower()) - parts(innocent.lower())


@settings(max_examples=40, deadline=None)
@given(
    subscription=st.uuids(version=4).map(str),
    group=NAMES,
    vm=NAMES,
    login=NAMES,
    before=st.integers(0, 500),
    between=st.integers(0, 300),
    step=st.integers(0, 60),
)
def test_nothing_of_the_subscription_remains_wherever_a_text_is_cut(  # noqa: PLR0913 - each moves the cut, or may not remain
    *, subscription: str, group: str, vm: str, login: str, before: int, between: int, step: int
) -> None:
    """In the verdicts, on the page and in the payloads; whatever stands before a name, and so where the cut falls."""
    vm_id = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{vm}"
    text = f"{'no ' * (before // 3)}{vm_id} {'so ' * (between // 3)}{vm} of {login} {'or ' * step}{vm_id}"
    refused = {"token_lives_s_refused": text}
    what = seen(
        {
            "start": bad(409, "OperationNotAllowed", text),
            "start while it deallocates": bad(409, "OperationNotAllowed", text),
            "start below the price": bad(409, "Odd", text),
            "VM beyond the quota": bad(409, "Odd", text),
            "VM that is not there": bad(404, "Odd", text),
            "start of nobody": bad(404, "Odd", text),
            "simulate eviction": bad(409, "Odd", text),
            "confirm.kql": bad(400, "Odd", text),
            "tag written": ok({"id": vm_id}),
        },
        {Mark.EVICTION: 0},
        arrived=[event({"resourceUri": text, "operationName": text}, 1, type=text, subject=text)],
        heard=[Heard(at(2), "b", "service", refused, "line")],
    )
    found = {belief: judge(what) for belief, judge in JUDGES.items()}
    redaction = redaction_of(what, (subscription, login))
    beliefs = belief_list(found, redaction)
    written = json.dumps([beliefs, payloads(what, redaction)]) + page(found, what, redaction, "Trial")
    innocent = " ".join([*redaction.places.values(), T.isoformat()])
    assert left_of([subscription, group, vm, login], written, innocent) == set()
    assert max(len(each["how"]) for each in beliefs) <= 400
