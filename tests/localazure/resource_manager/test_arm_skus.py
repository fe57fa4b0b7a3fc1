"""Compute's lists of sizes and of used quota at ARM's front."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from localazure.resource_manager.compute.skus import PLENTY
from localazure.world.sizes import SIZES
from localazure.world.world import SUBSCRIPTION
from spot_responder.offerings.skus import read_skus
from spot_responder.offerings.spot_cores import SpotCores, read_spot_cores
from tests.harness.fronts import assert_same_shape
from tests.localazure.resource_manager.test_arm_owner import play
from tests.offerings.sizes import SKUS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.fronts import Front

COMPUTE = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute"
OF_WEST = f"{COMPUTE}/skus?$filter=location eq 'westeurope'"


def test_the_sizes_of_a_region(tmp_path: Path) -> None:
    """In the shape of a recorded answer; what is no size is among them; one may be restricted."""

    async def story(front: Front) -> None:
        front.world.market.restrict("standard_D4s_v4", "WestEurope")
        answer = await front.ask("GET", OF_WEST, who="operator", version="2021-07-01")
        recorded = json.loads((SKUS / "recorded_southcentralus.json").read_text(encoding="utf-8"))["value"]
        d2 = next(each for each in answer.body["value"] if each["name"] == "Standard_D2s_v3")
        sample = next(each for each in recorded if each["name"] == "Standard_D2s_v3")
        assert_same_shape({**sample, "capabilities": [], "locationInfo": []}, d2)
        assert_same_shape(sample["locationInfo"], d2["locationInfo"])
        skus = read_skus(answer.body["value"], "westeurope")
        assert {sku.name for sku in skus.values()} == {size.name for size in SIZES}
        assert [sku.name for sku in skus.values() if sku.refused] == ["Standard_D4s_v4"]

    play(tmp_path, story)


def test_what_is_known_of_a_size_is_what_was_recorded(tmp_path: Path) -> None:
    """The sizes that both have are alike in all that a fit depends on."""

    async def story(front: Front) -> None:
        answer = await front.ask("GET", OF_WEST, who="operator", version="2021-07-01")
        ours = read_skus(answer.body["value"], "westeurope")
        recorded = read_skus(
            json.loads((SKUS / "recorded_southcentralus.json").read_text("utf-8"))["value"], "southcentralus"
        )
        both = sorted(ours.keys() & recorded.keys())
        assert both == ["standard_d2s_v3", "standard_d4s_v3"]
        for name in both:
            told = ours[name].capabilities
            assert told.items() <= {**recorded[name].capabilities, "osvhdsizemb": "1047552"}.items()

    play(tmp_path, story)


def test_without_a_filter_every_region_is_listed(tmp_path: Path) -> None:
    """Of those that have a VM."""

    async def story(front: Front) -> None:
        front.world.add_vm("north", location="northeurope")
        answer = await front.ask("GET", f"{COMPUTE}/skus", who="operator", version="2021-07-01")
        assert {each["locations"][0] for each in answer.body["value"]} == {"northeurope", "westeurope"}

    play(tmp_path, story)


def test_spot_vms_count_as_used_whether_they_run_or_not(tmp_path: Path) -> None:
    """Others, gone ones, and those of other regions do not."""

    async def story(front: Front) -> None:
        path = f"{COMPUTE}/locations/WestEurope/usages"

        async def cores() -> SpotCores | None:
            return read_spot_cores((await front.ask("GET", path, who="operator", version="2024-07-01")).body["value"])

        assert await cores() == SpotCores(2, PLENTY)
        front.world.add_vm("down", size="Standard_D4s_v5", power_state="deallocated")
        front.world.add_vm("regular", priority="Regular")
        front.world.add_vm("north", location="northeurope")
        front.world.add_vm("odd", size="Standard_odd")
        front.world.set_quota(SUBSCRIPTION, "westeurope", 10)
        assert await cores() == SpotCores(6, 10)
        front.world.delete("down")
        assert await cores() == SpotCores(2, 10)

    play(tmp_path, story)


@pytest.mark.parametrize("path", [OF_WEST, f"{COMPUTE}/locations/westeurope/usages"])
def test_who_may_not_look_is_refused(path: str, tmp_path: Path) -> None:
    """The app may not: it needs neither."""

    async def story(front: Front) -> None:
        for who in ("responder", "nobody"):
            answer = await front.ask("GET", path, who=who, version="2021-07-01")
            assert (answer.status, answer.body["error"]["code"]) == (403, "AuthorizationFailed")

    play(tmp_path, story)
