"""Observations that nobody made, for the judges: answers, events and power states, in seconds after a beginning."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from spot_responder.intake.vms import PowerState
from spot_responder.trial.views.checks import CHECKS
from spot_responder.trial.views.observations import Answered, Arrived, Mark, Observations, Sample
from spot_responder.trial.views.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

HOLDS, FAILS, UNSEEN = Verdict.HOLDS, Verdict.DOES_NOT_HOLD, Verdict.NOT_SEEN
T = datetime(2030, 1, 1, tzinfo=UTC)
ARM = "https://management.azure.com"
VM = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v"
JUDGES = {each.belief: each.judge for each in CHECKS}
UP, DOWN, UNKNOWN, STOPPED = PowerState.RUNNING, PowerState.DEALLOCATED, PowerState.UNKNOWN, PowerState.STOPPED
GOING = PowerState.DEALLOCATING


def at(seconds: float) -> datetime:
    """Give a time, in seconds after the beginning."""
    return T + timedelta(seconds=seconds)


def ok(body: object = None, status: int = 200, when: float = 0, **headers: str) -> Answered:
    """Give a good answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answered(at(when), "GET", VM, status, named, body)


def bad(status: int, code: str, message: str = "", when: float = 0) -> Answered:
    """Give a refusal."""
    return Answered(at(when), "POST", VM, status, {}, {"error": {"code": code, "message": message}})


def rows(*each: Mapping[str, object]) -> Answered:
    """Give what Resource Graph answers."""
    return ok({"data": list(each)})


def power(*states: str) -> Answered:
    """Give an instance view."""
    return ok({"statuses": [{"code": f"PowerState/{state}"} for state in states]})


def event(data: Mapping[str, object], seconds: float = 0, **more: object) -> Arrived:
    """Give an event that arrived."""
    when = at(seconds).isoformat()
    body = {"specversion": "1.0", "type": "x", "subject": VM, "source": "/s", "time": when, "data": data}
    raw = base64.b64encode(json.dumps(body | more).encode()).decode()
    return Arrived(at(seconds), raw, body | more)


def annotated(name: str, seconds: float = 0) -> Arrived:
    """Give an annotation's event."""
    kind = "Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated"
    info = {"properties": {"targetResourceId": VM, "annotationName": name, "occurredTime": at(seconds).isoformat()}}
    return event({"resourceInfo": info}, seconds, type=kind)


def operation(name: str, seconds: float = 0) -> Arrived:
    """Give an event of ARM."""
    data = {"resourceUri": VM, "operationName": name, "claims": {"appid": "a"}}
    return event(data, seconds, type="Microsoft.Resources.ResourceActionSuccess")


def seen(
    answers: Mapping[str, Answered | list[Answered]] | None = None,
    marks: Mapping[Mark, float] | None = None,
    **more: Any,  # noqa: ANN401 - any field of the observations
) -> Observations:
    """Give what was seen."""
    listed = {name: each if isinstance(each, list) else [each] for name, each in (answers or {}).items()}
    moments = {mark: at(when) for mark, when in (marks or {}).items()}
    return Observations(ARM, VM, answers=listed, marks=moments, **{"drained_at": at(10_000)} | more)


def samples(*states: PowerState | None, first: float = 0) -> list[Sample]:
    """Give power states, a second apart."""
    return [Sample(at(first + number), state) for number, state in enumerate(states)]


EVICTED = {Mark.EVICTION: 0, Mark.EVICTED: 10}
STOP = {Mark.STOP: 100, Mark.STOPPED: 110}
NEVER = {"annotationName": "", "targetResourceId": VM}
ROW = {"annotationName": "VirtualMachinePreempted", "targetResourceId": VM, "occurredTime": "2030-01-01T00:00:00Z"}
POLICY = {"id": VM, "properties": {"spotRestorePolicy": {"enabled": True}}}
GOOD_START = ok(None, 202, azure_asyncoperation=f"{ARM}/x")
DEALLOCATE = "Microsoft.Compute/virtualMachines/deallocate/action"
LATE = [bad(400, "x"), ok(when=700)]
ALIASES = [f"Microsoft.Compute/virtualMachines/{name}" for name in ("priority", "evictionPolicy")]
ODD = event({}, 101, type="Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated")
NOBODYS = event({"resourceUri": VM, "operationName": DEALLOCATE}, 102, type="Microsoft.Resources.ResourceActionSuccess")
