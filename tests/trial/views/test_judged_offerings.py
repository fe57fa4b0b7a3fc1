"""What is made of prices and sizes, where the laptop Azure shows nothing of the kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.trial.harness.made_up import FAILS, HOLDS, JUDGES, UNSEEN, bad, ok, seen

if TYPE_CHECKING:
    from spot_responder.trial.views.observations import Answered, Observations
    from spot_responder.trial.views.verdicts import Verdict

SIZE = "Standard_D2s_v5"
FROM, BEFORE = "2029-12-01T00:00:00Z", "2029-11-01T00:00:00Z"


def _row(price: float, name: str = "D2s v5 Spot", **more: object) -> dict[str, Any]:
    return {
        "armSkuName": SIZE,
        "armRegionName": "westeurope",
        "serviceName": "Virtual Machines",
        "type": "Consumption",
        "unitOfMeasure": "1 Hour",
        "currencyCode": "USD",
        "productName": "Virtual Machines Dsv5 Series",
        "skuName": name,
        "meterName": name,
        "effectiveStartDate": FROM,
        "retailPrice": price,
        **more,
    }


def _page(*rows: dict[str, Any]) -> Answered:
    return ok({"BillingCurrency": "USD", "Items": list(rows), "NextPageLink": None})


def _seen(*rows: dict[str, Any], refused_at: str = "", **answers: Answered) -> Observations:
    named = {name.replace("_", " "): answer for name, answer in answers.items()}
    told = f"The max price is lower than the current spot price '{refused_at} USD' for this size."
    refusal = {"start below the price": bad(409, "SpotPriceGreaterThanProvidedMaxPrice", told)} if refused_at else {}
    return seen({"price page": _page(*rows)} | refusal | named, location="westeurope", size=SIZE)


SPOT, OLDER, ON_DEMAND = _row(0.02), _row(0.03, effectiveStartDate=BEFORE), _row(0.1, "D2s v5")
LISTED = ok({"size": SIZE, "refused": "", "capabilities": {"lowprioritycapable": "True"}})
CASES: list[tuple[str, Verdict, Observations]] = [
    ("P1", UNSEEN, seen()),
    ("P1", UNSEEN, seen({"price page": bad(429, "x")})),
    ("P1", UNSEEN, seen({"price page": ok("odd")})),
    ("P1", UNSEEN, _seen(SPOT)),
    ("P1", HOLDS, _seen(SPOT, ON_DEMAND)),
    ("P2", UNSEEN, seen()),
    ("P2", UNSEEN, _seen(SPOT, OLDER)),
    ("P2", UNSEEN, _seen(SPOT, refused_at="0.02")),
    ("P2", UNSEEN, _seen(SPOT, OLDER, refused_at="0.5")),
    ("P2", HOLDS, _seen(SPOT, OLDER, refused_at="0.02")),
    ("P2", FAILS, _seen(SPOT, OLDER, refused_at="0.03")),
    ("P3", UNSEEN, _seen(ON_DEMAND, refused_at="0.02")),
    ("P3", UNSEEN, _seen(SPOT)),
    ("P3", UNSEEN, _seen(SPOT, OLDER, refused_at="0.03")),
    ("P3", FAILS, _seen(SPOT, refused_at="0.12")),
    (
        "P3",
        HOLDS,
        _seen(
            SPOT,
            start_below_the_price=ok(None, 202),
            operation_of_the_refused_start=ok("current spot price '0.02 USD'"),
        ),
    ),
    ("P4", UNSEEN, seen()),
    ("P4", HOLDS, _seen(_row(0), SPOT)),
    ("P5", UNSEEN, _seen(SPOT)),
    ("P5", UNSEEN, _seen(SPOT, prices_after_the_last_page=ok("odd"))),
    ("P5", FAILS, _seen(SPOT, prices_after_the_last_page=_page(OLDER))),
    ("P6", UNSEEN, _seen(SPOT)),
    ("P6", UNSEEN, seen({"VM right after the tag": ok({"properties": {"hardwareProfile": {"vmSize": SIZE}}})})),
    ("P6", HOLDS, _seen(SPOT, VM_right_after_the_tag=ok({"properties": {"hardwareProfile": {"vmSize": SIZE}}}))),
    ("S1", HOLDS, seen({"size in the list": LISTED, "VM": ok()})),
    ("S1", UNSEEN, seen({"size in the list": LISTED})),
    ("S1", UNSEEN, seen({"size in the list": ok(None), "VM": ok()})),
    ("S1", UNSEEN, seen({"size in the list": ok({"refused": "NotAvailableForSubscription"}), "VM": ok()})),
    ("S1", UNSEEN, seen({"size in the list": ok({"capabilities": {}}), "VM": ok()})),
    ("S1", UNSEEN, seen({"size in the list": LISTED, "VM": bad(409, "SkuNotAvailable")})),
    ("S1", FAILS, seen({"size in the list": LISTED, "VM": bad(409, "AzureSpotIsNotSupportedForThisVMSize")})),
]


@pytest.mark.parametrize(("belief", "verdict", "observations"), CASES)
def test_an_offer_is_judged_by_what_was_seen(belief: str, verdict: Verdict, observations: Observations) -> None:
    """And by nothing else."""
    assert JUDGES[belief](observations).verdict is verdict
