"""An operator compares prices and sizes: through Azure's lists, all pages of them, and the app's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.harness.operators_laptop import OperatorsLaptop, add, evict

if TYPE_CHECKING:
    from localazure.laptop import Laptop

WEST = "westeurope"
D4 = "Standard_D4s_v5"


def price(azure: OperatorsLaptop, **prices: float) -> None:
    """Set Spot prices: ``D4s_v5=0.04``."""

    def move(laptop: Laptop) -> None:
        for size, usd in prices.items():
            laptop.world.set_price(f"Standard_{size}", WEST, usd)

    azure.move(move)


def vms(azure: OperatorsLaptop) -> dict[str, Any]:
    """Run ``prices``; give its VMs by name."""
    done = azure.operator("prices", "--json")
    return {each["vm_id"].rpartition("/")[2]: each for each in done.content["vms"]} | {"exit": done.exit_code}


def test_max_prices_against_todays_prices(azure: OperatorsLaptop) -> None:
    """The price is on the last page of three, among rows of Windows, Low Priority, the past and the future."""
    price(azure, D4s_v5=0.04, E4s_v5=0.05)
    for name, limit in (("rich", 0.2), ("near", 0.041), ("behind", 0.039), ("free", -1.0)):
        add(azure, f"prices-{name}", size=D4, max_price=limit)
    add(azure, "prices-windows", size="Standard_E4s_v5", max_price=0.09, os="Windows")
    add(azure, "prices-unlisted", size="Standard_Z9", max_price=0.1)
    add(azure, "prices-unlisted-free", size="Standard_Z9")
    add(azure, "prices-untagged", size=D4, max_price=0.001, tags={})
    found = vms(azure)
    assert {name: each["standing"] for name, each in found.items() if name.startswith("prices-")} == {
        "prices-rich": "OK",
        "prices-near": "near",
        "prices-behind": "below",
        "prices-free": "no limit",
        "prices-windows": "below",
        "prices-unlisted": "unknown",
        "prices-unlisted-free": "no limit",
    }
    assert (found["prices-rich"]["spot"], found["prices-rich"]["on_demand"]) == (0.04, 0.16)
    assert found["prices-windows"]["spot"] == 0.1
    assert found["prices-unlisted"]["spot"] is None
    assert found["exit"] == 1


def test_the_commands_set_a_max_price_that_does(azure: OperatorsLaptop) -> None:
    """Of a VM that runs, after it was deallocated; of one that is down, at once."""
    price(azure, D2as_v5=0.02)
    vm_id = add(azure, "raise-1", size="Standard_D2as_v5", max_price=0.01)
    other = add(azure, "raise-2", size="Standard_D2as_v5", max_price=0.01, power_state="deallocated")
    found = vms(azure)
    assert found["raise-1"]["suggested"] == 0.025
    update = "az vm update --ids {} --set billingProfile.maxPrice=0.025"
    assert found["raise-1"]["commands"] == [
        f"az vm deallocate --ids {vm_id}",
        update.format(vm_id),
        f"az vm start --ids {vm_id}",
    ]
    assert found["raise-2"]["commands"] == [update.format(other)]
    told = azure.operator("prices")
    assert "below: a start would be refused" in told.out
    assert update.format(other) in told.out


def test_a_price_list_that_is_out_makes_prices_unknown(azure: OperatorsLaptop) -> None:
    """And nothing else: the VMs are shown, and those without a limit are well."""
    add(azure, "silent-1", size=D4, max_price=0.05)
    add(azure, "silent-2", size=D4)
    nobody = dict(azure.laptop.operator) | {"PRICES_ENDPOINT": "https://127.0.0.1:1"}
    done = azure.operator("prices", "--json", environment=nobody)
    found = {each["vm_id"].rpartition("/")[2]: each for each in done.content["vms"]}
    assert done.exit_code == 1
    assert (found["silent-1"]["standing"], found["silent-2"]["standing"]) == ("unknown", "no limit")
    assert "Azure refused to tell prices of Standard_D4s_v5 in westeurope: NoAnswer" in found["silent-1"]["why"][0]


def candidates(azure: OperatorsLaptop, name: str) -> dict[str, Any]:
    """Run ``sizes``; give its report."""
    done = azure.operator("sizes", "--like", name, "--json")
    assert done.err == ""
    content: dict[str, Any] = done.content
    return content


def test_the_sizes_that_a_vm_could_become(azure: OperatorsLaptop) -> None:
    """Those that fit, the cheapest first; what does not fit is counted by its reason."""
    price(azure, D4s_v5=0.04, D4as_v5=0.035, D4s_v4=0.03, E4s_v5=0.06)
    add(azure, "like-1", size=D4, max_price=0.05)
    report = candidates(azure, "like-1")
    assert (report["spot"], report["vm"]["size"], report["unread"]) == (0.04, D4, [])
    fitting = [each["size"] for each in report["candidates"] if each["verdict"] == "fits"]
    assert fitting == ["Standard_D4s_v4", "Standard_D4as_v5"]
    by_size = {each["size"]: each for each in report["candidates"]}
    # Without a price it may be too dear.
    assert by_size["Standard_D4ds_v5"]["verdict"] == "unknown"
    assert "the Spot price of Standard_D4ds_v5 is not known" in by_size["Standard_D4ds_v5"]["because"][0]["told"]
    # E4s_v5 is too dear; D4ps_v5 is Arm64; D4s_v6 and D4ds_v6 have NVMe only.
    assert report["left_out"] == {"disk controller": 2, "price": 1, "architecture": 1}


def test_windows_keeps_its_kind_of_temporary_disk(azure: OperatorsLaptop) -> None:
    """A size with one is no size for a Windows without."""
    add(azure, "like-windows", size=D4, os="Windows")
    sizes = {each["size"] for each in candidates(azure, "like-windows")["candidates"]}
    assert "Standard_D4s_v4" in sizes
    assert "Standard_D4ds_v5" not in sizes


def test_what_the_app_saw_of_a_pool_is_told(azure: OperatorsLaptop) -> None:
    """A VM came back there: its size may be worth a try."""
    price(azure, D2s_v5=0.02, D2as_v5=0.019)
    add(azure, "seen-1", size="Standard_D2as_v5")
    evict(azure, "seen-1")
    azure.until_running("seen-1")
    add(azure, "like-2", size="Standard_D2s_v5")
    report = candidates(azure, "like-2")
    by_size = {each["size"]: each for each in report["candidates"]}
    assert by_size["Standard_D2as_v5"]["pool"]["restored"] >= 1
    assert by_size["Standard_D2s_v4"]["pool"]["restored"] == 0
    told = azure.operator("sizes", "--like", "like-2").out
    assert "restored, the last at" in told
    assert "not tried in 30 days" in told


def test_a_refusal_is_told_while_its_recovery_is_open(azure: OperatorsLaptop) -> None:
    """Nobody is told a minute later that it was not tried; and its tag's sizes are told, though they do not fit."""
    price(azure, D4s_v4=0.02, D4as_v5=0.019)
    tags = {"AttemptRestartAfterEviction": "true", "SpotFallbackSizes": "Standard_D4ps_v5,Standard_Nonesuch"}
    add(azure, "refused-1", size="Standard_D4s_v4", tags=tags)
    azure.move(lambda laptop: laptop.world.set_capacity(laptop.world.machine("refused-1").pool, 0))
    evict(azure, "refused-1")
    azure.until_row("refused-1", "was refused", lambda row: bool(row.sizes.out))
    told = azure.operator("sizes", "--like", "refused-1").out
    azure.move(lambda laptop: laptop.world.set_capacity(laptop.world.machine("refused-1").pool, None))
    assert "1 recovery met no capacity" in told
    assert "in its tag; Azure offers no size Standard_Nonesuch in westeurope" in told
    assert "Standard_D4ps_v5" in told


def test_the_quota_is_compared(azure: OperatorsLaptop) -> None:
    """As many cores as the VM has are free; more must be left."""
    add(azure, "like-3", size="Standard_D4s_v5", subscription_id="22222222-2222-4222-8222-222222222222")
    azure.move(lambda laptop: laptop.world.set_quota("22222222-2222-4222-8222-222222222222", WEST, 6))
    report = candidates(azure, "like-3")
    assert report["cores"] == {"used": 4, "limit": 6}
    assert report["left_out"]["quota"] >= 1
    assert {each["cores"] for each in report["candidates"]} == {4}


def test_a_size_that_the_subscription_may_not_have(azure: OperatorsLaptop) -> None:
    """It is left out for that."""
    add(azure, "like-4", size="Standard_D2s_v3", location="northeurope")
    azure.move(lambda laptop: laptop.world.market.restrict("Standard_D2s_v4", "northeurope"))
    report = candidates(azure, "like-4")
    assert "Standard_D2s_v4" not in {each["size"] for each in report["candidates"]}
    assert report["left_out"]["offered"] == 1


def test_a_size_that_azure_does_not_describe(azure: OperatorsLaptop) -> None:
    """Then nothing can be compared with it."""
    add(azure, "like-5", size="Standard_Z9")
    done = azure.operator("sizes", "--like", "like-5")
    assert done.exit_code == 0
    assert "no size could be compared with it" in done.out


def test_a_vm_that_there_is_not(azure: OperatorsLaptop) -> None:
    """One line."""
    done = azure.operator("sizes", "--like", "nobody")
    assert (done.exit_code, done.err) == (
        1,
        "sizes: no VM is called 'nobody': neither a recovery's, nor one that your login sees\n",
    )
