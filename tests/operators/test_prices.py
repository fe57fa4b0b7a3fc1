"""What an operator is told about max prices."""

from __future__ import annotations

import pytest

from spot_responder.intake.vms import PowerState, VmId
from spot_responder.offerings.max_prices import Standing
from spot_responder.offerings.priced_vms import PricedVm
from spot_responder.offerings.prices import Os, Prices
from spot_responder.operators.views.offerings.prices import price_report, product_of
from tests.harness.makers import TEN

PRICES = {
    ("westeurope", "standard_d4s_v5", Os.LINUX): Prices(0.04, 0.16, ["spot: 0.04"]),
    ("westeurope", "standard_e4s_v5", Os.LINUX): Prices(None, 0.2, ["spot: unknown: no row", "on_demand: 0.2"]),
}


def vm(
    name: str,
    max_price: float | None = None,
    size: str = "Standard_D4s_v5",
    os: Os | None = Os.LINUX,
    state: PowerState = PowerState.RUNNING,
) -> PricedVm:
    """Give a VM as Resource Graph shows it; regions and sizes come in any casing."""
    return PricedVm(VmId("s", "g", name), "WestEurope", size, os, max_price, state)


def test_what_needs_somebody_comes_first() -> None:
    """Then what may soon; then the others, each by its id."""
    vms = [
        vm("a-free"),
        vm("b-ok", 0.1),
        vm("c-near", 0.041),
        vm("d-unknown", 0.1, size="Standard_E4s_v5"),
        vm("e-below", 0.03),
        vm("d-below", 0.03),
    ]
    report = price_report(vms, PRICES, TEN)
    assert [each.vm_id.name for each in report.vms] == ["d-below", "e-below", "d-unknown", "c-near", "b-ok", "a-free"]
    assert report.needs_somebody
    assert not price_report(vms[:3], PRICES, TEN).needs_somebody


def test_a_vm_whose_system_is_not_known() -> None:
    """Windows costs more, so its price is unknown. Where it has no limit, that does no harm."""
    unknown, free = vm("a", 0.1, os=None), vm("b", os=None)
    assert product_of(unknown) is None
    told = price_report([unknown, free], PRICES, TEN).vms
    assert [(each.standing, each.spot, each.why) for each in told] == [
        (Standing.UNKNOWN, None, ("Azure does not say whether it runs Linux or Windows",)),
        (Standing.NO_LIMIT, None, ("Azure does not say whether it runs Linux or Windows",)),
    ]


@pytest.mark.parametrize(
    ("max_price", "state", "commands"),
    [
        (0.03, PowerState.DEALLOCATED, 1),
        (0.041, PowerState.DEALLOCATED, 1),
        (0.03, PowerState.RUNNING, 3),
        (0.03, PowerState.UNKNOWN, 3),
        (0.1, PowerState.DEALLOCATED, 0),
        (None, PowerState.DEALLOCATED, 0),
    ],
)
def test_commands_are_given_where_a_new_max_price_is_due(
    max_price: float | None, state: PowerState, commands: int
) -> None:
    """Azure changes it while the VM is deallocated only."""
    (told,) = price_report([vm("a", max_price, state=state)], PRICES, TEN).vms
    assert len(told.commands) == commands
    assert told.suggested == (0.05 if commands else None)
