"""Judges the beliefs about queues and blobs (Q2, W1 to W11). Pure; ``checks.py`` has the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.trial.views.verdicts import Found, of, unseen

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_responder.trial.views.observations import Answered, Observations

_GOOD: Final = frozenset({200, 201, 204})
_BAD_REQUEST: Final = 400
_DAMAGED: Final = frozenset({"Md5Mismatch", "InvalidOperation"})
"""Azure's code, and Azurite's: others say of the request that it was wrong in another way."""
_NO_RIGHT: Final = frozenset({401, 403})
_REFUSED: Final = frozenset(range(400, 500)) - _NO_RIGHT
_LOST: Final = frozenset({400, 404})
_RACED: Final = frozenset({409, 412})


def comes_back(seen: Observations) -> Found:
    """Q2: a hidden message comes back; a week and no end are accepted."""
    answers = _telling(seen, "message for a week", "message hidden", "message shown")
    if answers is None:
        return _not_tried(seen)
    long, hidden, back = answers
    told = (
        f"hidden for six days, without an end: {long.status}; hidden: {hidden.body or 'none seen'}; then: {back.body}"
    )
    return of(back, told, right=long.status in _GOOD and not hidden.body and back.body == "seen")


def is_hidden(seen: Observations) -> Found:
    """W1: a received message is hidden, an update gives a new receipt and makes the old one useless."""
    answers = _telling(seen, "received again", "old receipt", "new receipt")
    if answers is None or answers[1].status in _NO_RIGHT:
        return _not_tried(seen)
    meanwhile, old, new = answers
    told = f"meanwhile: {meanwhile.body or 'hidden'}; old receipt: {old.status}; new receipt: {new.status}"
    return of(new, told, right=not meanwhile.body and old.status in _REFUSED and new.status in _GOOD)


def is_shown_at_once(seen: Observations) -> Found:
    """W2: an update with timeout 0 shows the message at once."""
    return _said(seen, "given back", lambda answer: answer.body == "seen")


def tells_loss(seen: Observations) -> Found:
    """W3: 404 or 400 for a receipt that is not the newest one."""
    answer = seen.last("old receipt")
    if answer is not None and answer.status in _NO_RIGHT:
        return unseen(f"old receipt: {answer.told()}")
    return _said(seen, "old receipt", lambda answer: answer.status in _LOST)


def deletes_late(seen: Observations) -> Found:
    """W4: a delete succeeds after the lease has ended, if nobody has fetched the message since."""
    return _said(seen, "late delete", lambda answer: answer.status in _GOOD)


def has_one_winner(seen: Observations) -> Found:
    """W8: of two conditional writes one gets 409 or 412, and the winner's is read."""
    answers = _telling(seen, "blob created", "blob created again", "blob read")
    if answers is None or any(each.may_be_done for each in seen.answers["blob created"]):
        return _not_tried(seen)
    first, second, read = answers
    told = f"first {first.status}, second {second.status}, read: {read.body}"
    return of(read, told, right=first.status in _GOOD and second.status in _RACED and read.body == "first")


def refuses_damage(seen: Observations) -> Found:
    """W10: an upload whose ``Content-MD5`` does not fit is refused."""
    answer = seen.last("damaged upload")
    if answer is not None and not answer.is_good and str(answer.body) not in _DAMAGED:
        return unseen(f"damaged upload: {answer.told()}")
    return _said(seen, "damaged upload", lambda answer: answer.status == _BAD_REQUEST)


def counts_hidden(seen: Observations) -> Found:
    """W11: the approximate number counts hidden messages too."""
    answer = seen.last("count with a hidden one")
    if answer is None or not isinstance(answer.body, int):
        return _not_tried(seen)
    return of(answer, f"hidden messages only: {answer.body}", right=answer.body >= 1)


def _said(seen: Observations, name: str, is_right: Callable[[Answered], bool]) -> Found:
    answer = seen.last(name)
    if answer is None:
        return _not_tried(seen)
    return of(answer, f"{name}: {answer.body or answer.status}", right=is_right(answer))


def _telling(seen: Observations, *names: str) -> list[Answered] | None:
    """Give the answers to these requests; ``None`` unless each of them tells something."""
    answers = [answer for name in names if (answer := seen.last(name)) is not None and not answer.tells_nothing]
    return answers if len(answers) == len(names) else None


def _not_tried(seen: Observations) -> Found:
    return unseen(seen.missed.get("storage", "not tried, or without an answer that tells anything"))
