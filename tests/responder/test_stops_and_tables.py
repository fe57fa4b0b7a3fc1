"""An owner's stop is written down though a table fails for a moment: the start that it forbids may be a minute away."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.event_grid.azure_events import DeliverySchema, azure_event
from localazure.virtual.wire import Fate, RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.happenings import ActionSucceeded
from localazure.world.vm_lifecycle import DEALLOCATE
from spot_responder.decisions.outcomes import Outcome
from tests.harness.makers import TEN, at
from tests.harness.stories import outcomes, starts

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure

BUSY = Fate(0.05, refusal=Refused(503, "ServerBusy", "The server is busy."))


@pytest.mark.parametrize("about", ["pools/", "recoveries/"])
def test_a_stop_is_not_overtaken_while_a_table_is_busy(about: str, new_azure: NewAzure) -> None:
    """Evicted at 10:00, refused, to be tried at 10:01:16; stopped at 10:00:50, and one read of a table fails then."""
    azure = new_azure()
    azure.add_vm()
    azure.world.refuse_next_start("render-1", "SkuNotAvailable", "not available")
    azure.world.evict("render-1")
    azure.run_until(at("10:00:50"))
    azure.script.next(RequestKind.ROW_READ, BUSY, about=about)
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:30"))
    assert len(starts(azure)) == 1
    assert outcomes(azure) == [Outcome.STOPPED_BY_OWNER]


@pytest.mark.parametrize("written", [{}, {"time": "2031-01-01T00:00:00Z"}], ids=["no time", "five years ahead"])
def test_a_stop_whose_time_cannot_be_right_counts_from_now_also_while_a_table_is_busy(
    written: dict[str, object], new_azure: NewAzure
) -> None:
    """Its event comes at 10:00 without a time that can be believed, and the first read of the VM's row fails."""
    azure = new_azure()
    vm = azure.add_vm()
    stop = azure_event(ActionSucceeded(vm.vm_id, TEN, DEALLOCATE, "owner@example.com"), "stop", TEN)
    undated = {name: value for name, value in stop.written(DeliverySchema.CLOUD_EVENTS).items() if name != "time"}
    azure.script.next(RequestKind.ROW_READ, BUSY, about="recoveries/")
    azure.put(undated | written)
    azure.run_until(at("10:00:05"))
    noted = azure.recovery().evidence.stopped_firmly_at
    assert noted is not None
    assert abs(noted - TEN) < timedelta(seconds=5)
