"""What Azure says of its sizes, and of the Spot cores that are left."""

from __future__ import annotations

from typing import Any

from spot_responder.offerings.skus import read_skus
from spot_responder.offerings.spot_cores import SpotCores, read_spot_cores
from tests.offerings.sizes import items, recorded


def one(**changes: Any) -> Any:  # noqa: ANN401 - JSON
    """Give a size as Azure writes it."""
    usual = {
        "resourceType": "virtualMachines",
        "name": "Standard_D4s_v5",
        "family": "standardDSv5Family",
        "locations": ["westeurope"],
        "locationInfo": [{"location": "westeurope", "zones": ["1", "2"]}],
        "capabilities": [{"name": "vCPUs", "value": "4"}],
    }
    return usual | changes


def test_the_sizes_of_a_region() -> None:
    """Each with its capabilities, by name in any casing."""
    skus = recorded()
    size = skus["standard_d2as_v6"]
    assert (size.name, size.family, sorted(size.zones)) == ("Standard_D2as_v6", "standardDav6Family", ["2", "3"])
    assert (size.number("vcpus"), size.flag("PREMIUMIO")) == (2, True)
    assert size.words("DiskControllerTypes") == {"nvme"}
    assert (size.number("GPUs"), size.flag("TrustedLaunchDisabled"), size.words("GPUs")) == (None, None, frozenset())


def test_what_is_no_size_of_this_region_is_left_out() -> None:
    """Disks are in the same list, and so may be other regions."""
    listed = [
        one(),
        one(name="Premium_LRS", resourceType="disks"),
        one(name="Standard_D8s_v5", locations=["northeurope"]),
        one(name=""),
        one(name="Standard_E4s_v5", locations="westeurope"),
        "no size",
        None,
    ]
    assert list(read_skus(listed, "West Europe")) == ["standard_d4s_v5"]


def test_restrictions_as_recorded() -> None:
    """One size is refused to the subscription, another in its zones only, a third not at all."""
    skus = read_skus(items("recorded_eastus_restricted"), "eastus")
    assert [skus[name].refused for name in ("standard_d2_v2", "standard_d13_v2_promo", "standard_nv6")] == [
        "",
        "NotAvailableForSubscription",
        "",
    ]
    assert [sorted(sku.zones) for sku in skus.values()] == [["1", "2", "3"], [], []]


def test_restrictions_that_are_odd() -> None:
    """One of another region is not of this one; one without a region is of each; another kind is not known."""

    def read(restriction: dict[str, Any]) -> tuple[str, str]:
        sku = read_skus([one(restrictions=[restriction])], "westeurope")["standard_d4s_v5"]
        return sku.refused, sku.odd_restriction

    elsewhere = {"locations": ["northeurope"]}
    assert read({"type": "Location", "restrictionInfo": elsewhere, "values": ["northeurope"]}) == ("", "")
    assert read({"type": "Location", "reasonCode": "QuotaId"}) == ("QuotaId", "")
    assert read({"type": "Location", "values": ["WestEurope"]}) == ("no reason", "")
    assert read({"type": "Planet", "reasonCode": "QuotaId"}) == ("", "'Planet' (QuotaId)")
    assert read({}) == ("", "'' (no reason)")


def usage(name: object, used: object, limit: object) -> object:
    """Give a usage as Compute writes it."""
    return {"unit": "Count", "currentValue": used, "limit": limit, "name": {"value": name, "localizedValue": "…"}}


def test_the_spot_cores_that_are_left() -> None:
    """One quota for all sizes; whoever is over it has none left, not less than none."""
    listed = [usage("cores", 1, 10), usage("lowPriorityCores", 90, 100), usage("standardDSv5Family", 4, 10)]
    assert read_spot_cores(listed) == SpotCores(90, 100)
    assert SpotCores(90, 100).spare == 10
    assert SpotCores(120, 100).spare == 0


def test_spot_cores_that_are_not_told() -> None:
    """That is not 0."""
    for listed in ([], [usage("cores", 1, 10)], [usage("lowPriorityCores", "90", 100)], ["no usage", None]):
        assert read_spot_cores(listed) is None
