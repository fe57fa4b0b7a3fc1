"""What an operator is told about the sizes that a VM could become."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from spot_responder.decisions.attempts import SizeNotes
from spot_responder.decisions.failure_counts import FailureCounts
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.pools import PoolGate, PoolId
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import VmId
from spot_responder.offerings.fits import Verdict
from spot_responder.offerings.prices import Prices
from spot_responder.operators.views.offerings.pool_records import pool_record
from spot_responder.operators.views.offerings.sizes import Offered, comparable, may_fit, sizes_report
from tests.harness.makers import TEN, recovery
from tests.offerings.sizes import PLENTY, REGION, recorded, vm

if TYPE_CHECKING:
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.offerings.vm_shapes import VmShape
    from spot_responder.operators.views.offerings.sizes import SizesReport

VM = VmId("S", "g", "render-1")
D2S = "Standard_D2s_v3"


def offered(gates: tuple[PoolGate, ...] = (), closed: tuple[Recovery, ...] = ()) -> Offered:
    """Give the recorded sizes, and what the tables hold."""
    return Offered(recorded(), PLENTY, gates, closed, ())


def report(prices: dict[str, Prices], machine: VmShape | None = None, there: Offered | None = None) -> SizesReport:
    """Compare sizes with a VM of two cores and 8 GB."""
    return sizes_report(VM, machine or vm(), there or offered(), prices, TEN)


def pool(size: str, zone: str = "") -> PoolId:
    """Name a pool as the tables do."""
    return PoolId("s", REGION, zone, size.lower())


def test_as_many_cores_and_as_much_memory() -> None:
    """At most twice as much of either, and as many GPUs: a D4s_v3, but no D64s_v3, and no DS2_v2 with 7 GB."""
    names = {sku.name for sku in comparable(vm(), recorded())}
    assert names == {"Standard_D2as_v6", "Standard_D2_v3", "Standard_D2_v5", "Standard_D4s_v3"}
    assert {sku.name for sku in comparable(vm(size="standard_f16s_V2"), recorded())} == {"Standard_D16plds_v5"}


def test_a_size_that_azure_does_not_describe_compares_with_nothing() -> None:
    """Nor does any, where the list could not be read."""
    assert comparable(vm(size="Standard_Z9"), recorded()) == []
    assert comparable(vm(), None) == []
    told = report({}, there=Offered(None, None, (), (), ("Azure refused",)))
    assert (told.candidates, told.left_out, told.unread, told.cores) == ((), {}, ("Azure refused",), None)


def test_only_prices_that_matter_are_asked_for() -> None:
    """A size that does not fit for another reason has no need of one."""
    assert may_fit(vm(disk_types=("Standard_LRS",)), offered()) == ["Standard_D2_v5", "Standard_D4s_v3"]
    assert may_fit(vm(), offered()) == ["Standard_D4s_v3"]


def test_the_cheapest_that_fits_is_at_the_top() -> None:
    """An unknown price is no low one, and what may not fit comes after what does."""
    machine = vm(disk_types=("Standard_LRS",))
    dear = {"Standard_D4s_v3": Prices(0.05, 0.2, []), "Standard_D2_v5": Prices(0.02, 0.1, [])}
    assert [each.size for each in report(dear, machine).candidates] == ["Standard_D2_v5", "Standard_D4s_v3"]
    no_price = {"Standard_D4s_v3": Prices(0.05, 0.2, []), "Standard_D2_v5": Prices(None, None, [])}
    assert [each.size for each in report(no_price, machine).candidates] == ["Standard_D4s_v3", "Standard_D2_v5"]
    assert report(dear, machine).tag_command == (
        "az tag update --operation Merge "
        "--resource-id /subscriptions/S/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/render-1 "
        "--tags SpotFallbackSizes=Standard_D4s_v3"
    ), "a Standard_D2_v5 has a temporary disk, and the VM none: its owner should read that note first"
    unpriced = {"Standard_D4s_v3": Prices(None, None, [])}
    assert report(unpriced, machine).tag_command == "", "nobody knows what it costs"
    limited = replace(machine, max_price=0.06)
    assert report(no_price, limited).tag_command.endswith("=Standard_D4s_v3")
    assert [(each.size, each.verdict) for each in report(no_price, limited).candidates] == [
        ("Standard_D4s_v3", Verdict.FITS),
        ("Standard_D2_v5", Verdict.UNKNOWN),
    ]


def test_what_does_not_fit_is_counted_by_its_first_reason() -> None:
    """With the price of a size that is too dear among them."""
    told = report({D2S: Prices(0.01, 0.1, []), "Standard_D4s_v3": Prices(0.05, 0.2, [])}, vm(max_price=0.02))
    assert (told.candidates, told.tag_command) == ((), "")
    assert told.left_out == {"generation": 1, "disk controller": 1, "premium disks": 1, "price": 1}
    assert told.spot == 0.01


def test_what_the_app_saw_of_a_pool() -> None:
    """In the VM's own zone: who came back there, who met no capacity, and whether the pool is closed."""
    there, elsewhere = pool("Standard_D4s_v3", "2"), pool("Standard_D4s_v3", "1")
    ended = replace(recovery(), outcome=Outcome.RESTORED, closed_at=TEN + timedelta(minutes=5), down_since=TEN)
    closed = (
        replace(ended, pool=there),
        replace(
            ended,
            pool=there,
            closed_at=TEN + timedelta(minutes=3),
            failures=FailureCounts(by_kind={FailureKind.CAPACITY: 2}),
        ),
        replace(
            ended, pool=there, outcome=Outcome.STOPPED_BY_OWNER, failures=FailureCounts(by_kind={FailureKind.PRICE: 1})
        ),
        replace(ended, pool=elsewhere),
        recovery(),
    )
    busy = {"vm-1": TEN + timedelta(minutes=1), "vm-2": TEN}
    gates = (PoolGate(elsewhere), PoolGate(there, closed_until=TEN + timedelta(hours=1), under_way=busy))
    told = report({}, vm(zone="2"), offered(gates, closed))
    (candidate,) = [each for each in told.candidates if each.size == "Standard_D4s_v3"]
    assert (candidate.pool.restored, candidate.pool.refused, candidate.pool.under_way) == (2, 1, 1)
    assert candidate.pool.restored_at == TEN + timedelta(minutes=5)
    assert candidate.pool.closed_until == TEN + timedelta(hours=1)
    assert (told.pool.restored, told.pool.restored_at, told.pool.refused, told.pool.closed_until) == (0, None, 0, None)


def test_each_refusal_is_that_of_its_own_pool() -> None:
    """A VM met no capacity as one size, and came back as the next one: that one had it. An older row says less."""
    out, came_up = pool("Standard_D2s_v3"), pool("Standard_D4s_v3")
    failed = FailureCounts(by_kind={FailureKind.CAPACITY: 1})
    restored = replace(recovery(), outcome=Outcome.RESTORED, closed_at=TEN, down_since=TEN, pool=came_up)
    told_of = replace(restored, failures=failed, sizes=SizeNotes(out=("Standard_D2s_v3",)))
    earlier = replace(restored, failures=failed, sizes=SizeNotes(tried=("Standard_D2s_v3", "Standard_D4s_v3")))
    still_open = replace(recovery(), pool=came_up, sizes=SizeNotes(out=("Standard_D2s_v3", "Standard_D4s_v3")))
    for rows, refused in (((told_of,), (1, 0)), ((earlier,), (1, 0)), ((still_open,), (1, 1))):
        records = [pool_record(each, (), rows, TEN) for each in (out, came_up)]
        assert tuple(each.refused for each in records) == refused


def test_what_the_tag_names_is_told_whether_it_fits_or_not() -> None:
    """Its owner would learn in an outage only, otherwise; a size that there is not, too."""
    named = replace(offered(), named=("standard_d2ps_v5", "Standard_D99s_v9", D2S))
    told = report({}, there=named)
    by_size = {each.size: each for each in told.candidates if each.named}
    assert [each.verdict for each in by_size.values()] == [Verdict.UNFIT, Verdict.UNFIT]
    assert "Azure offers no size Standard_D99s_v9" in by_size["Standard_D99s_v9"].because[0].told
    assert by_size["Standard_D99s_v9"].cores is None
    nothing_known = replace(named, skus=None)
    assert {each.verdict for each in report({}, there=nothing_known).candidates} == {Verdict.UNKNOWN}
