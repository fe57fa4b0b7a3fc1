"""A VM whose size is out comes back as another one that its owner has named, and goes home at its next eviction."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from localazure.resource_manager.limits import Limits
from localazure.virtual.wire import Fate, RequestKind
from localazure.world.azure_errors import Refused
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy
from tests.harness.makers import at
from tests.harness.stories import (
    DEATH_AFTER,
    DEATH_BEFORE,
    DENIED,
    NO_ANSWER,
    TAG,
    outcomes,
    refused,
    starts,
)

if TYPE_CHECKING:
    from datetime import datetime

    import pytest

    from localazure.world.machines import Machine
    from tests.harness.stories import NewAzure, StoryAzure

OWN, OTHER, THIRD = "Standard_D4s_v5", "Standard_D4as_v5", "Standard_D4s_v4"
OPTED_IN = {**TAG, "SpotFallbackSizes": f"{OTHER},{THIRD}"}


def laptop(new_azure: NewAzure) -> StoryAzure:
    """Begin with an app that may change sizes."""
    return new_azure(Policy(resizes=True))


def add(azure: StoryAzure, name: str = "render-1", **fields: Any) -> Machine:  # noqa: ANN401 - whatever a VM has
    """Add a VM whose owner named other sizes."""
    return azure.add_vm(name, **{"size": OWN, "tags": OPTED_IN, **fields})


def without_capacity(azure: StoryAzure, *sizes: str) -> None:
    """Leave no place in the pools of these sizes."""
    pool = azure.pool_key()
    for size in sizes:
        azure.world.set_capacity(pool._replace(size=size), 0)


def with_capacity(azure: StoryAzure, *sizes: str) -> None:
    """Leave plenty of places in the pools of these sizes."""
    pool = azure.pool_key()
    for size in sizes:
        azure.world.set_capacity(pool._replace(size=size), None)


def resizes(azure: StoryAzure, name: str = "render-1") -> list[tuple[str, str]]:
    """Give the changes of size that Azure took, each with the power state that the VM was in."""
    return [(call.size, str(call.power_state)) for call in azure.world.machine(name).resize_calls]


def test_it_comes_back_as_the_next_size(new_azure: NewAzure) -> None:
    """Its own size has no capacity, the next one in its tag has."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:03"))
    assert machine.running_at is not None
    assert machine.running_at < at("10:02")
    assert resizes(azure) == [(OTHER, "deallocated")]
    assert outcomes(azure) == [Outcome.RESTORED]
    assert azure.recovery().sizes.first == OWN
    assert azure.recovery().attempts == 2


def test_the_next_eviction_brings_it_home(new_azure: NewAzure) -> None:
    """Its first size is tried first again."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("11:00"))
    assert machine.size == OTHER
    with_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("11:03"))
    assert machine.running_at is not None
    assert machine.size == OWN
    assert outcomes(azure) == [Outcome.RESTORED, Outcome.RESTORED]


def test_a_third_size_is_tried_when_the_second_is_out(new_azure: NewAzure) -> None:
    """In the order of the tag; each refusal leads to the next."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN, OTHER)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert machine.running_at is not None
    assert machine.size == THIRD
    assert azure.recovery().sizes.tried == (OWN, OTHER)


def test_when_all_are_out_it_waits_and_ends_at_home(new_azure: NewAzure) -> None:
    """An hour without capacity anywhere costs few requests; the first size comes back, and the VM with it."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN, OTHER, THIRD)
    azure.world.evict("render-1")
    azure.run_until(at("11:00"))
    assert len(resizes(azure)) <= 6
    assert len(starts(azure)) + len(resizes(azure)) <= 12
    assert machine.size == OWN
    with_capacity(azure, OWN)
    azure.run_until(at("11:30"))
    assert machine.running_at is not None
    assert machine.size == OWN


def test_nothing_is_changed_where_the_app_may_not(new_azure: NewAzure) -> None:
    """The tag alone changes nothing: the app needs an identity for it."""
    azure = new_azure()
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    assert machine.size == OWN
    assert machine.running_at is None
    assert not azure.storage.offerings.rows


def test_nothing_is_changed_without_the_tag(new_azure: NewAzure) -> None:
    """The identity alone changes nothing: an owner has to ask."""
    azure = laptop(new_azure)
    machine = add(azure, tags=TAG)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    assert (machine.size, machine.running_at) == (OWN, None)


def test_a_tag_with_a_bad_size_changes_nothing(new_azure: NewAzure) -> None:
    """One size that is none: the VM is recovered as if it had no such tag."""
    azure = laptop(new_azure)
    machine = add(azure, tags=TAG | {"SpotFallbackSizes": f"{OTHER},big"})
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    assert (machine.size, machine.running_at) == (OWN, None)


def test_sizes_in_small_letters_are_those_of_the_catalogue(new_azure: NewAzure) -> None:
    """Its own size is among them, and not asked for anew; the other is asked for, and priced, as Azure spells it."""
    azure = laptop(new_azure)
    machine = add(azure, tags={**TAG, "SpotFallbackSizes": f"{OWN.lower()},{OTHER.lower()}"}, max_price=1.0)
    azure.world.set_price(OTHER, "westeurope", 0.05)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:03"))
    assert machine.running_at is not None
    assert resizes(azure) == [(OTHER, "deallocated")]
    weighed = {each.size.lower(): each for each in azure.recovery().sizes.weighed}
    assert weighed.keys() == {OWN.lower(), OTHER.lower()}
    assert weighed[OTHER.lower()].price == "0.05 USD an hour"


def test_a_size_that_would_not_boot_is_not_asked_for(new_azure: NewAzure) -> None:
    """Never from SCSI to NVMe, and never to another architecture: the next that fits is taken."""
    azure = laptop(new_azure)
    machine = add(azure, tags=TAG | {"SpotFallbackSizes": f"Standard_D4s_v6,Standard_D4ps_v5,{THIRD}"})
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:03"))
    assert machine.running_at is not None
    assert resizes(azure) == [(THIRD, "deallocated")]


def test_when_azure_does_not_tell_its_sizes_none_is_changed(new_azure: NewAzure) -> None:
    """A list that is out makes what it tells unknown, and nothing else: the VM waits for its own size."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.script.next(RequestKind.OFFERINGS, refused(Refused(503, "ServiceUnavailable", "out")), times=1000)
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    assert (resizes(azure), machine.size) == ([], OWN)
    azure.script.forget()
    azure.run_until(at("10:40"))
    assert machine.size == OTHER
    assert machine.running_at is not None


def test_a_price_list_that_is_out_is_no_obstacle(new_azure: NewAzure) -> None:
    """Azure itself compares the price with the VM's max price; a price that is unknown is not guessed."""
    azure = laptop(new_azure)
    machine = add(azure, max_price=0.05)
    without_capacity(azure, OWN)
    azure.script.next(RequestKind.OFFERINGS, refused(Refused(503, "Out", "out")), about="prices/", times=1000)
    azure.world.evict("render-1")
    azure.run_until(at("10:03"))
    assert machine.running_at is not None
    assert "price unknown" in {each.price for each in azure.recovery().sizes.weighed}


def test_a_size_that_costs_more_than_the_max_price_is_left_out(new_azure: NewAzure) -> None:
    """The price of the new size decides."""
    azure = laptop(new_azure)
    machine = add(azure, max_price=0.05)
    azure.world.set_price(OTHER, "westeurope", 0.08)
    azure.world.set_price(THIRD, "westeurope", 0.03)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:03"))
    assert machine.running_at is not None
    assert machine.size == THIRD


def test_what_azure_refuses_is_marked_with_its_words(new_azure: NewAzure) -> None:
    """The pair is not tried again that day; the next size is, at once."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    words = "changing from resource disk to non-resource disk VM size and vice-versa is not allowed"
    azure.script.next(RequestKind.VM_RESIZE, refused(Refused(409, "OperationNotAllowed", words)))
    azure.world.evict("render-1")
    azure.run_until(at("10:03"))
    assert machine.running_at is not None
    assert machine.size == THIRD
    (mark,) = azure.recovery().sizes.unfit
    assert mark.size == OTHER
    assert words in mark.words


def test_without_the_right_nothing_is_lost(new_azure: NewAzure) -> None:
    """The role is missing: the VM waits for its own size, and that is not taken for a missing right to start."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.script.next(RequestKind.VM_RESIZE, refused(DENIED), times=10)
    azure.world.evict("render-1")
    azure.run_until(at("10:30"))
    assert machine.size == OWN
    with_capacity(azure, OWN)
    azure.run_until(at("10:50"))
    assert machine.running_at is not None


def test_a_vm_that_was_started_meanwhile_is_not_changed(new_azure: NewAzure) -> None:
    """A PATCH of the size restarts a VM that runs: ARM compares the ETag of the look."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)

    def started_by_its_owner() -> None:
        with_capacity(azure, OWN)
        azure.world.start(machine, "owner@example.com")

    azure.script.next(RequestKind.VM_RESIZE, meanwhile=started_by_its_owner)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert (resizes(azure), machine.size) == ([], OWN)
    assert machine.running_at is not None


def test_a_crash_between_the_two_steps_is_harmless(new_azure: NewAzure) -> None:
    """Before the change of size or right after it: the VM comes back, with one change."""
    for death in (DEATH_BEFORE, DEATH_AFTER, NO_ANSWER):
        azure = laptop(new_azure)
        machine = add(azure)
        without_capacity(azure, OWN)
        azure.script.next(RequestKind.VM_RESIZE, death)
        azure.world.evict("render-1")
        azure.run_until(at("10:10"))
        assert machine.running_at is not None
        assert resizes(azure) == [(OTHER, "deallocated")]


def test_a_look_that_grew_old_changes_nothing(new_azure: NewAzure) -> None:
    """What was seen over twenty seconds ago is looked at again first: half a minute is the most, with the client's."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    looks: list[datetime] = []
    azure.script.next(RequestKind.OFFERINGS, Fate(25.0))
    azure.script.next(RequestKind.VM_READ, times=100, meanwhile=lambda: looks.append(azure.now))
    azure.world.evict("render-1")
    azure.run_until(at("10:03"))
    assert machine.running_at is not None
    (change,) = machine.resize_calls
    assert change.at - max(look for look in looks if look <= change.at) < timedelta(seconds=20)


def test_an_owner_who_changes_the_size_gives_it_a_new_home(new_azure: NewAzure) -> None:
    """What the owner set is its first size from then on."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    azure.world.update(machine, "owner@example.com", machine.tags, "Standard_D8s_v5", -1)
    azure.world.evict("render-1")
    azure.run_until(at("10:15"))
    assert machine.running_at is not None
    assert machine.size == "Standard_D8s_v5"


def test_many_vms_share_the_pools(new_azure: NewAzure) -> None:
    """A pool without capacity costs a handful of requests, and then nobody is changed into it."""
    azure = laptop(new_azure)
    names = [f"render-{number}" for number in range(1, 21)]
    machines = [add(azure, name) for name in names]
    without_capacity(azure, OWN)
    for name in names:
        azure.world.evict(name)
    azure.run_until(at("10:05"))
    assert all(machine.running_at for machine in machines)
    assert {machine.size for machine in machines} == {OTHER}
    assert sum(len(resizes(azure, name)) for name in names) == len(names)


def test_what_azure_offers_is_asked_for_once(new_azure: NewAzure) -> None:
    """Many VMs share what was told, and so does the next process, by the table."""
    azure = laptop(new_azure)
    asked: list[str] = []
    for name in ("render-1", "render-2", "render-3"):
        add(azure, name)
    without_capacity(azure, OWN)
    azure.script.next(
        RequestKind.OFFERINGS, about="/subscriptions/11111111-1111-4111-8111-111111111111/providers", times=1
    )
    azure.script.next(
        RequestKind.OFFERINGS,
        about="/subscriptions/11111111-1111-4111-8111-111111111111/providers",
        times=1000,
        meanwhile=lambda: asked.append("again"),
    )
    for name in ("render-1", "render-2", "render-3"):
        azure.world.evict(name)
    azure.run_until(at("10:05"))
    assert len(asked) == 1, "the list of sizes, and that of quotas"
    kinds = {key.partition("|")[0] for _, key in azure.storage.offerings.rows}
    assert kinds == {"size", "spot-cores"}
    assert timedelta() < azure.now - at("10:00")


def test_a_vm_that_waits_long_is_read_anew_only_where_it_changed(new_azure: NewAzure) -> None:
    """For some minutes its ETag says that it is as it was: nothing else is read by the second identity meanwhile."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN, OTHER, THIRD)
    reads: list[datetime] = []
    azure.script.next(
        RequestKind.OFFERINGS,
        about=machine.vm_id.replace("Compute/virtualMachines", "Network/networkInterfaces"),
        times=1000,
        meanwhile=lambda: reads.append(azure.now),
    )
    azure.world.evict("render-1")
    azure.run_until(at("11:00"))
    changes = len(machine.conditions)
    assert 1 <= len(reads) <= 12, changes


def test_a_bad_tag_is_logged_with_what_is_wrong(new_azure: NewAzure, caplog: pytest.LogCaptureFixture) -> None:
    """In each decision about its VM; and a size that Azure does not have, with what was thought of the others."""
    azure = laptop(new_azure)
    add(azure, "render-1", tags=TAG | {"SpotFallbackSizes": f"{OTHER},big"})
    add(azure, "render-2", tags=TAG | {"SpotFallbackSizes": "Standard_D4as_v99"})
    without_capacity(azure, OWN)
    with caplog.at_level(logging.INFO, "spot_responder"):
        azure.world.evict("render-1")
        azure.world.evict("render-2")
        azure.run_until(at("10:03"))
    lines = [json.loads(record.message) for record in caplog.records]
    assert "'big' is no size such as" in {line["bad_tag"] for line in lines if "bad_tag" in line}.pop()
    told = [line["sizes"]["Standard_D4as_v99"] for line in lines if "Standard_D4as_v99" in line.get("sizes", {})]
    assert "Azure offers no size Standard_D4as_v99 in westeurope" in told


def test_the_second_identity_waits_for_its_turn(new_azure: NewAzure, caplog: pytest.LogCaptureFixture) -> None:
    """Azure counts its reads: 150 VMs at once are read at Azure's pace, and none is left out for that."""
    azure = new_azure(Policy(resizes=True), limits=Limits())
    names = [f"render-{number}" for number in range(1, 151)]
    machines = [add(azure, name) for name in names]
    without_capacity(azure, OWN)
    for name in names:
        azure.world.evict(name)
    with caplog.at_level(logging.WARNING, "spot_responder"):
        azure.run_until(at("10:10"))
    assert all(machine.running_at for machine in machines)
    assert {machine.size for machine in machines} <= {OTHER, THIRD}
    assert [record.message for record in caplog.records if "sizes not read" in record.message] == []
