"""The gates of pools: hundreds that ask at once share a read and a write, and none is in another's way."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.wire import Fate, RequestKind
from localazure.world.azure_errors import Refused
from spot_responder.decisions.pools import FIRST_STARTS, Admitted, PoolGate, admit, pool_of
from spot_responder.responder.pool_gates import GATE_TRIES, Gates
from spot_responder.responder.ports import ChangedMeanwhileError, StoreFailedError
from tests.harness.makers import TEN, spot_vm
from tests.harness.stories import refused, touch

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from spot_responder.responder.pool_gates import Change
    from tests.harness.stories import NewAzure, StoryAzure

POOL_ID = pool_of(spot_vm())
A_WHILE = Fate(0.05)
UNAVAILABLE = refused(Refused(503, "ServerBusy", "The server is busy."))
ROW_REQUESTS = (RequestKind.ROW_READ, RequestKind.ROW_WRITE)


def may_start(name: str) -> Change[bool]:
    """Ask for a place for a VM that has just gone down."""

    def question(pool: PoolGate) -> tuple[bool, PoolGate | None]:
        answer = admit(pool, name, TEN, TEN, timedelta(minutes=1))
        return isinstance(answer, Admitted), answer.gate if isinstance(answer, Admitted) else None

    return question


def is_odd(_pool: PoolGate) -> tuple[bool, None]:
    """Ask what cannot be answered."""
    message = "this VM is odd"
    raise ValueError(message)


async def all_of(asking: list[Coroutine[None, None, bool]]) -> list[bool | BaseException]:
    """Ask all at the same moment."""
    return await asyncio.gather(*asking, return_exceptions=True)


def requests(azure: StoryAzure) -> Counter[RequestKind]:
    """Count the requests to the tables from now on; each takes a while."""
    counted: Counter[RequestKind] = Counter()
    for request_kind in ROW_REQUESTS:
        azure.script.next(request_kind, A_WHILE, times=10_000, meanwhile=partial(counted.update, [request_kind]))
    return counted


def test_all_that_ask_at_once_share_a_read_and_a_write(new_azure: NewAzure) -> None:
    """Ten more than may start ask within one moment: the first in line opens the gate, all others share the next."""
    azure = new_azure()
    gates, counted = Gates(azure.ports().store), requests(azure)
    asked = [gates.update(POOL_ID, may_start(f"vm-{number}")) for number in range(FIRST_STARTS + 10)]
    assert azure.do(all_of(asked)) == [True] * FIRST_STARTS + [False] * 10
    assert counted[RequestKind.ROW_READ] <= 2
    assert counted[RequestKind.ROW_WRITE] <= 2


def test_a_gate_that_nobody_changes_is_not_written(new_azure: NewAzure) -> None:
    """Looking costs a read."""
    azure = new_azure()
    gates, counted = Gates(azure.ports().store), requests(azure)
    assert azure.do(gates.update(POOL_ID, lambda pool: (pool, None))) == PoolGate(POOL_ID)
    assert counted == {RequestKind.ROW_READ: 1}


def test_what_another_instance_changed_meanwhile_is_asked_anew(new_azure: NewAzure) -> None:
    """Two instances ask for the last places at the same moment: no place is given twice."""
    azure = new_azure()
    requests(azure)
    here, there = Gates(azure.ports().store), Gates(azure.ports().store)
    asked = [
        gates.update(POOL_ID, may_start(f"vm-{number}-{name}"))
        for number in range(FIRST_STARTS)
        for name, gates in (("here", here), ("there", there))
    ]
    assert azure.do(all_of(asked)).count(True) == FIRST_STARTS


def test_one_odd_vm_does_not_stop_the_others(new_azure: NewAzure) -> None:
    """Its question fails, and only its own."""
    azure = new_azure()
    gates = Gates(azure.ports().store)
    answers = azure.do(all_of([gates.update(POOL_ID, each) for each in (may_start("a"), is_odd, may_start("b"))]))
    assert [str(answer) for answer in answers] == ["True", "this VM is odd", "True"]


def test_each_that_asked_hears_that_the_tables_are_out_and_the_next_one_is_answered(new_azure: NewAzure) -> None:
    """Out for one request, then back."""
    azure = new_azure()
    gates = Gates(azure.ports().store)
    azure.script.next(RequestKind.ROW_READ, UNAVAILABLE, about="pools/")
    answers = azure.do(all_of([gates.update(POOL_ID, may_start(name)) for name in "ab"]))
    assert [type(answer) for answer in answers] == [StoreFailedError, StoreFailedError]
    assert azure.do(gates.update(POOL_ID, may_start("a")))


def test_a_gate_that_never_holds_still_is_told(new_azure: NewAzure) -> None:
    """Others write it before each of our saves: the message comes back, and nothing was started on a guess."""
    azure = new_azure()
    gates = Gates(azure.ports().store)
    azure.do(gates.update(POOL_ID, may_start("first")))
    azure.script.next(
        RequestKind.ROW_WRITE, about="pools/", times=GATE_TRIES, meanwhile=lambda: touch(azure.storage.pools)
    )
    with pytest.raises(ChangedMeanwhileError, match="changed 20 times"):
        azure.do(gates.update(POOL_ID, may_start("a")))
    assert azure.do(gates.update(POOL_ID, may_start("a")))
