"""What is written into a table row is read back as it was, and every key is one that Azure Tables takes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.clients.rows.table_rows import (
    history_row,
    pool_from_row,
    pool_key,
    pool_row,
    recovery_from_row,
    recovery_key,
    recovery_row,
)
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.pools import PoolGate, pool_of
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import NotAVmIdError, VmId
from tests.harness.makers import POOLS, RECOVERIES, VM_ID, accepted, asking, at, failure, recovery, spot_vm

if TYPE_CHECKING:
    from spot_responder.clients.rows.table_rows import Key, Row
    from spot_responder.decisions.recoveries import Recovery

CELL_CHARACTERS = 32_768


def is_key(key: Key) -> bool:
    """Say whether Azure Tables takes both parts: no slash, no # or ?, no control character, 512 characters at most."""
    controls = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))}
    return all(len(part) <= 512 and not set(part) & {*"/\\#?", *controls} for part in key)


def is_plain(row: Row) -> bool:
    """Say whether each cell is a text or a number that a cell can hold."""
    return all(isinstance(cell, str | int) and len(str(cell)) < CELL_CHARACTERS for cell in row.values())


@given(RECOVERIES)
def test_a_recovery_comes_back_as_it_went(case: Recovery) -> None:
    """Open or closed, with an attempt or without, in the casing that its id was read in."""
    row = recovery_row(case)
    back = recovery_from_row(row)
    assert back == case
    assert str(back.vm_id) == str(case.vm_id)
    assert is_plain(row)
    assert recovery_row(back) == row


@given(POOLS)
def test_a_pool_comes_back_as_it_went(pool: PoolGate) -> None:
    """Open, closed, probed or opening."""
    row = pool_row(pool)
    assert pool_from_row(row) == pool
    assert is_plain(row)


@pytest.mark.parametrize("retry_after", [None, timedelta(), timedelta(seconds=1.5), timedelta(hours=24)])
def test_what_azure_asked_for_is_kept(retry_after: timedelta | None) -> None:
    """Retry-After: 0 is not the same as none."""
    case = asking().refused(failure(FailureKind.THROTTLED, retry_after=retry_after), counts=False)
    back = recovery_from_row(recovery_row(case))
    assert back.attempt is not None
    assert back.attempt.failure == failure(FailureKind.THROTTLED, retry_after=retry_after)


def test_the_address_of_an_operation_fits_and_is_kept_whole() -> None:
    """It is signed and over 4 KB long."""
    address = "https://arm.example/operations/1?c=" + "x" * 6000
    row = recovery_row(asking().accepted(address))
    back = recovery_from_row(row)
    assert back.attempt is not None
    assert back.attempt.operation_url == address
    assert is_plain(row)


def test_the_address_of_an_operation_is_in_one_cell_only() -> None:
    """Every other column can be shown to an operator."""
    row = recovery_row(accepted())
    assert [name for name, cell in row.items() if "signed" in str(cell)] == ["attempt"]
    assert json.loads(row["attempt"])["state"] == "accepted"


ID = "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Compute/virtualMachines/{}"


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_every_id_that_is_read_makes_a_valid_key(subscription: str, group: str, name: str) -> None:
    """Whatever an event calls a VM, its row can be written, or the event was refused."""
    try:
        vm_id = VmId.parse(ID.format(subscription, group, name))
    except NotAVmIdError:
        return
    assert is_key(recovery_key(vm_id))


@given(st.sampled_from([*"/\\#?", *map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))]))
def test_no_forbidden_character_gets_into_a_key(character: str) -> None:
    """An id that holds one is refused, or ends before it."""
    try:
        vm_id = VmId.parse(ID.format("s", "g", f"a{character}b"))
    except NotAVmIdError:
        return
    assert is_key(recovery_key(vm_id))


def test_an_instance_of_a_scale_set_has_a_row_of_its_own() -> None:
    """A stand-alone VM may have the set's name, or the instance's number for a name."""
    instance = ID.format("s", "g", "7").replace("virtualMachines", "virtualMachineScaleSets/workers/virtualMachines")
    keys = {
        recovery_key(VmId.parse_kept(each))
        for each in (instance, ID.format("s", "g", "7"), ID.format("s", "g", "workers"))
    }
    assert len(keys) == 3
    assert all(is_key(key) for key in keys)


def test_a_vm_has_one_row_whatever_the_casing_of_its_id() -> None:
    """Events, ARM and Resource Graph spell it differently."""
    shouted = VmId.parse(str(VM_ID).upper())
    assert recovery_key(shouted) == recovery_key(VM_ID) == (VM_ID.subscription_id, "rg-batch|render-1")


def test_a_pools_key_is_its_place_and_size() -> None:
    """One row for each subscription, region, zone and size."""
    key = pool_key(pool_of(replace(spot_vm(), zone="2")))
    assert key == (VM_ID.subscription_id, "westeurope|2|standard_d2s_v5")
    assert is_key(key)
    assert pool_from_row(pool_row(PoolGate(pool_of(spot_vm())))).pool_id == pool_of(spot_vm())


def test_a_closed_recovery_is_kept_in_the_day_of_its_end() -> None:
    """The history can be read by day, and a recovery is there once however often it is written."""
    closed = recovery(at("9:00")).closed(Outcome.GONE, at("10:00") + timedelta(days=1), "gone")
    row = history_row(closed)
    assert (row["PartitionKey"], row["RowKey"]) == ("2026-03-03", "recovery-1")
    assert recovery_from_row(row) == closed


def test_a_recovery_without_an_end_is_kept_in_the_day_of_its_beginning() -> None:
    """The one date it has."""
    assert history_row(recovery())["PartitionKey"] == "2026-03-02"


def test_a_row_of_an_earlier_release_is_read() -> None:
    """Before holds, pools and the age of failures were kept in it: nobody holds it, and the others are not known."""
    row = recovery_row(recovery())
    del row["held_at"], row["pool"], row["failing_since"]
    back = recovery_from_row(row)
    assert (back.held_at, back.pool, back.failures.since) == (None, None, None)
