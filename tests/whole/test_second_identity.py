"""The real app changes sizes by a second identity: with its rights, without them, and where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from localazure.laptop import RESIZER_CLIENT_ID, WITHOUT_ROLE_CLIENT_ID
from spot_responder.intake.azure_errors import FailureKind
from tests.harness.operators_laptop import TAG, add, evict, operators_laptop

if TYPE_CHECKING:
    from pathlib import Path

    from localazure.world.machines import Machine
    from tests.harness.operators_laptop import OperatorsLaptop

OWN, OTHER = "Standard_D4s_v5", "Standard_D4as_v5"
OPTED_IN = TAG | {"SpotFallbackSizes": OTHER}


def down_without_capacity(azure: OperatorsLaptop, name: str) -> Machine:
    """Let a VM be evicted while its own size is out."""
    add(azure, name, size=OWN, tags=OPTED_IN)
    machine = azure.laptop.world.machine(name)
    azure.move(lambda laptop: laptop.world.set_capacity(machine.pool, 0))
    evict(azure, name)
    return machine


def test_it_is_changed_and_started_each_by_its_own_identity(tmp_path: Path) -> None:
    """One change by the second identity, and starts by the app's own."""
    with operators_laptop(tmp_path, {"RESIZE_CLIENT_ID": RESIZER_CLIENT_ID}) as azure:
        machine = down_without_capacity(azure, "with-rights")
        azure.until_running("with-rights")
        assert machine.size == OTHER
        (change,) = machine.resize_calls
        assert (change.caller, change.size, change.power_state) == ("resizer", OTHER, "deallocated")
        assert {call.caller for call in machine.start_calls} == {"responder"}
        told = azure.operator("explain", machine.vm_id)
        assert f"its first one is tried first at its next recovery: {OWN}" in told.out


@pytest.mark.parametrize(
    ("client_id", "words"),
    [
        (WITHOUT_ROLE_CLIENT_ID, "AuthorizationFailed"),
        ("22222222-2222-4222-8222-222222222224", "NoToken"),
    ],
)
def test_without_its_rights_it_waits_for_its_own_size(tmp_path: Path, client_id: str, words: str) -> None:
    """An identity without a role, and one that is not there: the reason can be seen, and nothing else is lost."""
    with operators_laptop(tmp_path, {"RESIZE_CLIENT_ID": client_id, "CAPACITY_RETRY_SECONDS": "2"}) as azure:
        machine = down_without_capacity(azure, "without-rights")
        row = azure.until_row(
            "without-rights", "weighed", lambda row: any(words in each.told for each in row.sizes.weighed)
        )
        assert row.failures.kind is FailureKind.CAPACITY
        assert words in azure.operator("explain", machine.vm_id).out
        azure.move(lambda laptop: laptop.world.set_capacity(machine.pool, None))
        azure.until_running("without-rights")
        assert (machine.size, machine.resize_calls) == (OWN, [])


def test_without_the_identity_nothing_is_changed_nor_asked(tmp_path: Path) -> None:
    """The tag alone does nothing, and nothing is looked up."""
    with operators_laptop(tmp_path) as azure:
        machine = down_without_capacity(azure, "nobody")
        row = azure.until_row("nobody", "refused", lambda row: row.failures.kind is FailureKind.CAPACITY)
        assert (row.sizes.weighed, machine.size, machine.resize_calls) == ((), OWN, [])
        off = "RESIZE_CLIENT_ID is not set"
        assert off in azure.operator("explain", machine.vm_id).out
        assert off in azure.operator("plan").out
        assert off in azure.laptop.host_log.read_text("utf-8")
