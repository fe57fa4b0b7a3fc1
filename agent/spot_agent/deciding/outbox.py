"""Telling the responder: three tries within 6 seconds, then once a minute; kept in the state until the queue has it.

What a run leaves behind the next one sends, marked as late. Called by ``step.py``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_agent.deciding.actions import Record, Send
from spot_agent.deciding.heard import OK, Sent
from spot_agent.deciding.memory import Outgoing

if TYPE_CHECKING:
    from spot_agent.deciding.state import Message
    from spot_agent.deciding.turn import Turn

TRIES: Final = 3
EACH_TRY_S: Final = 2.0
ROUND_EVERY_S: Final = 60.0
WORTH_TELLING: Final = timedelta(days=7)
"""A queue message lives for 7 days by default: what is older would be told to nobody."""


def tell(turn: Turn, message: Message) -> None:
    """Have a message sent, and kept until it is; without a queue nobody is told."""
    if turn.memory.settings.has_queue:
        state = turn.memory.state
        turn.memory = turn.memory.with_state(replace(state, unsent=(*state.unsent, message)))
        put(turn, Outgoing(message, turn.now.monotonic, turn.now.monotonic))


def put(turn: Turn, outgoing: Outgoing) -> None:
    """Change how far a message is."""
    turn.memory = replace(turn.memory, outbox={**turn.memory.outbox, outgoing.message.id: outgoing})


def hear_sent(turn: Turn, heard: Sent) -> None:
    """Note what became of a try."""
    outgoing = turn.memory.outbox.get(heard.message_id)
    if outgoing is None:
        return
    if heard.outcome == OK:
        _forget(turn, outgoing, OK)
        return
    tries = outgoing.tries + 1
    if tries < TRIES:
        next_at = max(outgoing.began + tries * EACH_TRY_S, turn.now.monotonic)
        put(turn, replace(outgoing, tries=tries, next_at=next_at, is_under_way=False))
        return
    if not outgoing.is_given_up:
        _record(turn, outgoing, f"kept for later: {heard.outcome}")
    again = turn.now.monotonic + ROUND_EVERY_S
    put(turn, Outgoing(outgoing.message, again, again, is_given_up=True))


def advance(turn: Turn) -> None:
    """Send what is due."""
    for outgoing in turn.memory.outbox.values():
        if outgoing.is_under_way or turn.now.monotonic < outgoing.next_at:
            continue
        if turn.now.wall - outgoing.message.made_at > WORTH_TELLING:
            _forget(turn, outgoing, "given up after 7 days")
            continue
        put(turn, replace(outgoing, is_under_way=True))
        turn.do(Send(outgoing.message))


def _forget(turn: Turn, outgoing: Outgoing, outcome: str) -> None:
    others = {key: one for key, one in turn.memory.outbox.items() if key != outgoing.message.id}
    state = turn.memory.state
    unsent = tuple(one for one in state.unsent if one.id != outgoing.message.id)
    turn.memory = replace(turn.memory, outbox=others, state=replace(state, unsent=unsent))
    _record(turn, outgoing, outcome)


def _record(turn: Turn, outgoing: Outgoing, outcome: str) -> None:
    data = outgoing.message.event["data"]
    what = outgoing.message.event["type"].rpartition(".")[2]
    turn.do(Record(turn.now.wall, data["eventId"] or "", data.get("eventType", "Recovery"), what, "told", outcome))
