"""What log and row say of the sizes that a VM may come back as."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from spot_responder.clients.rows.table_rows import pool_from_row
from spot_responder.decisions.attempts import NOT_ASKED
from spot_responder.operators.views.offerings.pool_records import pool_record
from tests.harness.makers import at
from tests.responder.sizes.test_fallback_stories import (
    OTHER,
    OWN,
    THIRD,
    add,
    laptop,
    with_capacity,
    without_capacity,
)

if TYPE_CHECKING:
    import pytest

    from tests.harness.stories import NewAzure


def test_the_log_says_that_its_owner_named_sizes_in_vain(new_azure: NewAzure, caplog: pytest.LogCaptureFixture) -> None:
    """With what to do, at each start that found no capacity; not where nobody named any, or the price is the reason."""
    caplog.set_level(logging.INFO)
    azure = new_azure()
    add(azure, max_price=0.01)
    azure.add_vm("plain", size=THIRD)
    without_capacity(azure, OWN, THIRD)
    for name in ("render-1", "plain"):
        azure.world.evict(name)
    azure.world.refuse_next_start("render-1", "SpotPriceGreaterThanProvidedMaxPrice", "too high")
    azure.run_until(at("11:30"))
    failures = [line for line in map(json.loads, caplog.messages) if line["event"] in {"start refused", "start failed"}]
    in_vain = {(line["vm"].rpartition("/")[2], line["failure"], "what_to_do" in line) for line in failures}
    assert in_vain == {("render-1", "price", False), ("render-1", "capacity", True), ("plain", "capacity", False)}
    told = next(line["what_to_do"] for line in failures if "what_to_do" in line)
    assert "RESIZE_CLIENT_ID is not set: to turn changes of size on, give the app its second identity" in told


def test_each_pool_is_told_what_it_refused_while_the_recovery_is_open_and_after(new_azure: NewAzure) -> None:
    """Two sizes are out, the third has capacity: a minute later nobody says that the first two were never tried."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN, OTHER)
    azure.world.evict("render-1")

    def seen(size: str) -> tuple[int, int, bool]:
        gates = [pool_from_row(row) for row, _ in azure.storage.pools.rows.values()]
        row = azure.recovery()
        rows = [*azure.history, *([row] if row.is_open else [])]
        assert row.pool is not None
        record = pool_record(replace(row.pool, size=size.lower()), gates, rows, azure.now)
        return record.refused, record.restored, record.closed_until is not None

    azure.run_until(at("10:01:10"))
    assert [seen(size) for size in (OWN, OTHER, THIRD)] == [(1, 0, True), (1, 0, True), (0, 0, False)]
    azure.run_until(at("10:05"))
    assert machine.size == THIRD
    assert [seen(size) for size in (OWN, OTHER, THIRD)] == [(1, 0, True), (1, 0, True), (0, 1, False)]


def test_nothing_that_was_next_is_told_as_next_later(new_azure: NewAzure) -> None:
    """The second size was tried and is out; then its own has capacity: of the second only the price is kept."""
    azure = laptop(new_azure)
    add(azure)
    azure.world.set_price(OTHER, "westeurope", 0.05)
    without_capacity(azure, OWN, OTHER, THIRD)
    azure.world.evict("render-1")
    azure.run_until(at("10:06"))
    with_capacity(azure, OWN)
    while azure.recovery().is_open:
        thought = {each.size: each for each in azure.recovery().sizes.weighed}
        chosen = [each.size for each in thought.values() if " was to be " in each.told and each.told != NOT_ASKED]
        assert len(chosen) <= 1
        azure.run_until(azure.now + timedelta(seconds=1))
    last = {each.size: each for each in azure.recovery().sizes.weighed}
    assert " was to be " in last[OWN].told
    assert (last[OTHER].told, last[OTHER].price) == (NOT_ASKED, "0.05 USD an hour")
    assert {each.at for each in last.values()} == {last[OWN].at}
