"""What the responder reads of what workers write into the table ``workers``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from spot_worker.deciding import rows as of_worker

from spot_responder.clients.work.queues import WorkQueues
from spot_responder.demand.looks import Doing, Word
from spot_responder.intake.work_queue_names import WorkQueueName
from tests.harness.makers import TEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

FRAMES = WorkQueueName("farm", "frames")


class Table:
    """The table ``workers``, as Azure's client reads it."""

    def __init__(self, *rows: Mapping[str, Any]) -> None:
        """Hold these rows."""
        self._rows = rows

    async def query_entities(self, _query: str) -> AsyncIterator[Mapping[str, Any]]:
        """Give them."""
        for row in self._rows:
            yield row


def words(*rows: Mapping[str, Any]) -> list[Word]:
    """Read rows, as a look does."""
    table, nowhere = cast("Any", Table(*rows)), cast("Any", None)
    return asyncio.run(WorkQueues(nowhere, lambda _: table).words(FRAMES))


def written(doing: of_worker.Doing) -> dict[str, Any]:
    """Write a row, as a worker does."""
    state = of_worker.SlotState("frames", "vm-1", "0", "boot-1", doing, "", "", "2026-03-02T10:00:00.000Z", 30)
    return dict(of_worker.slot_row(state))


@pytest.mark.parametrize("doing", of_worker.Doing)
def test_each_state_that_a_worker_writes_is_one_that_the_app_knows(doing: of_worker.Doing) -> None:
    """By its own name, and nothing else is read into it."""
    assert words(written(doing)) == [Word("vm-1", Doing(doing.value), TEN)]
    assert {each.value for each in of_worker.Doing} == set(Doing)


def test_a_state_that_only_a_newer_worker_knows_is_taken_for_busy() -> None:
    """Its VM lives and is left alone: left out, it would be silent, and another VM be started in its place."""
    newer = {**written(of_worker.Doing.IDLE), "state": "warming-up"}
    assert words(newer, {**newer, "RowKey": "vm-2:0", "stops_vm": True}) == [
        Word("vm-1", Doing.BUSY, TEN),
        Word("vm-2", Doing.BUSY, TEN, stops_vm=True),
    ]


@pytest.mark.parametrize("odd", [{"state": ""}, {"renewed_at": "yesterday"}, {"RowKey": "vm-1"}])
def test_a_row_that_says_nothing_is_left_out(odd: dict[str, str]) -> None:
    """And the others are read."""
    sound = written(of_worker.Doing.BUSY)
    assert words({**sound, **odd}, sound) == [Word("vm-1", Doing.BUSY, TEN)]
