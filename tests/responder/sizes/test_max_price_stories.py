"""With each sweep the app compares max prices with today's Spot prices, and tells once what has fallen behind."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import Refused
from spot_responder.decisions.app_health.app_failures import Activity
from spot_responder.decisions.publishing.published_events import PRICE_ALERT_TYPE
from tests.harness.makers import at
from tests.harness.stories import DEATH_AFTER, TAG, refused

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure, StoryAzure

SIZE = "Standard_D4s_v5"
OUT = refused(Refused(503, "ServiceUnavailable", "out"))


def priced(azure: StoryAzure, price: float) -> None:
    """Let the Spot price be so high."""
    azure.world.set_price(SIZE, "westeurope", price)


def sweep(azure: StoryAzure) -> None:
    """Sweep, and wait until the second query of Resource Graph has had its turn."""
    azure.sweep()
    azure.run_until(azure.now + timedelta(seconds=5))


def after_hours(azure: StoryAzure, hours: int) -> None:
    """Let hours pass, so that a price counts no longer, and sweep."""
    azure.run_until(azure.now + timedelta(hours=hours))
    sweep(azure)


def told(azure: StoryAzure) -> list[tuple[str, str]]:
    """Give the price alerts that were published: the VM, and how its max price stands."""
    data = [(event.subject, event.data) for event in azure.storage.heard if event.type == PRICE_ALERT_TYPE]
    return [(str(subject).rpartition("/")[2], str((each or {})["standing"])) for subject, each in data]


def kept(azure: StoryAzure) -> list[str]:
    """Give the VMs whose alerts are kept."""
    return [alert.vm_id.name for alert in azure.do(azure.ports().pricing.alerts.all())]


def test_a_max_price_that_falls_behind_is_told_once(new_azure: NewAzure) -> None:
    """Near first, then below; a VM without a limit, or without the tag, is not compared."""
    azure = new_azure()
    azure.add_vm("render-1", size=SIZE, max_price=0.05)
    azure.add_vm("free", size=SIZE)
    azure.add_vm("not-ours", size=SIZE, max_price=0.05, tags={})
    priced(azure, 0.02)
    sweep(azure)
    assert told(azure) == []
    priced(azure, 0.048)
    after_hours(azure, 4)
    assert told(azure) == [("render-1", "near")]
    priced(azure, 0.06)
    after_hours(azure, 4)
    after_hours(azure, 4)
    assert told(azure) == [("render-1", "near"), ("render-1", "below")]
    assert kept(azure) == ["render-1"]


def test_a_higher_limit_ends_it(new_azure: NewAzure) -> None:
    """And so does a limit that is taken away; the next time it falls behind it is told anew."""
    azure = new_azure()
    machine = azure.add_vm("render-1", size=SIZE, max_price=0.05)
    priced(azure, 0.06)
    sweep(azure)
    machine.max_price = -1
    sweep(azure)
    assert kept(azure) == []
    machine.max_price = 0.05
    sweep(azure)
    assert told(azure) == [("render-1", "below")] * 2
    machine.max_price = 0.2
    sweep(azure)
    assert kept(azure) == []


def test_an_unknown_price_is_never_told_as_below(new_azure: NewAzure) -> None:
    """A list that is out, and a size that the list does not have; what was told stays."""
    azure = new_azure()
    azure.add_vm("render-1", size=SIZE, max_price=0.00001)
    sweep(azure)
    assert told(azure) == []
    azure.script.next(RequestKind.OFFERINGS, OUT, times=1000)
    after_hours(azure, 1)
    assert told(azure) == []
    azure.script.forget()
    priced(azure, 0.06)
    after_hours(azure, 1)
    assert told(azure) == [("render-1", "below")]
    azure.script.next(RequestKind.OFFERINGS, OUT, times=1000)
    after_hours(azure, 4)
    assert kept(azure) == ["render-1"]
    after_hours(azure, 24)
    assert kept(azure) == [], "nobody could compare it for a day"
    assert told(azure) == [("render-1", "below")]


def test_a_price_list_that_stays_out_is_told_as_what_it_is(new_azure: NewAzure) -> None:
    """It is asked once in a sweep, however many sizes there are; starts do not wait for it, nor is anything hidden."""
    azure = new_azure()
    asked: list[str] = []
    azure.add_vm("render-1", size=SIZE, max_price=0.05)
    azure.add_vm("render-2", size="Standard_D2s_v5", max_price=0.05)
    azure.script.next(RequestKind.OFFERINGS, OUT, times=1000, meanwhile=lambda: asked.append("once"))
    sweep(azure)
    assert len(asked) == 1
    azure.run_until(at("10:50"))
    (failing,) = azure.do(azure.ports().store.failing())
    assert (failing.activity, failing.lasts(azure.now)) == (Activity.PRICES, True)
    assert "ServiceUnavailable" in failing.reason
    azure.script.forget()
    azure.run_until(at("11:05"))
    assert azure.do(azure.ports().store.failing()) == []


def test_what_the_topic_does_not_take_is_told_by_the_next_sweep(new_azure: NewAzure) -> None:
    """With the same id, as after a crash right after it was published."""
    for fate in (OUT, DEATH_AFTER):
        azure = new_azure()
        azure.add_vm("render-1", size=SIZE, max_price=0.05)
        priced(azure, 0.06)
        azure.script.next(RequestKind.OUTCOME, fate)
        sweep(azure)
        azure.run_until(at("10:31"))
        assert {event.id for event in azure.storage.heard} == {azure.storage.heard[0].id}
        assert set(told(azure)) == {("render-1", "below")}


def test_a_vm_that_the_graph_hides_for_a_while_is_not_told_twice(new_azure: NewAzure) -> None:
    """An absent answer does not say that all is well."""
    azure = new_azure()
    azure.add_vm("render-1", size=SIZE, max_price=0.05)
    priced(azure, 0.06)
    sweep(azure)
    azure.script.graph_is_blind = True
    azure.run_until(at("11:00"))
    azure.script.graph_is_blind = False
    azure.run_until(at("12:00"))
    assert told(azure) == [("render-1", "below")]


def test_tables_that_fail_stop_no_sweep(new_azure: NewAzure) -> None:
    """What cannot be kept is compared again a quarter of an hour later."""
    azure = new_azure()
    azure.add_vm("render-1", size=SIZE, max_price=0.05, tags=TAG)
    priced(azure, 0.06)
    azure.script.next(RequestKind.ROW_READ, OUT, about="offerings", times=3)
    sweep(azure)
    azure.run_until(at("11:00"))
    assert told(azure) == [("render-1", "below")]
    assert not azure.failures
