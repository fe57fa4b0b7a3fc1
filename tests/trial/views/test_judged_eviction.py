"""A trial in which all is as believed, made up; and for each belief one in which that one is not."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from spot_responder.intake.vms import SHOWN_COLUMNS
from spot_responder.trial.views.about_sizes import OWN_SIZE
from spot_responder.trial.views.checks import CHECKS, judged
from spot_responder.trial.views.observations import Answered, Arrived, Mark, Observations
from spot_responder.trial.views.rights import ALWAYS, NEEDED, lacking, needed
from spot_responder.trial.views.verdicts import Step
from tests.trial.harness.made_up import (
    ARM,
    DEALLOCATE,
    DOWN,
    FAILS,
    GOING,
    HOLDS,
    JUDGES,
    POLICY,
    ROW,
    UNKNOWN,
    UNSEEN,
    UP,
    VM,
    annotated,
    at,
    bad,
    event,
    ok,
    operation,
    power,
    rows,
    samples,
    seen,
)

MOMENTS = {
    Mark.CREATED: -60.0,
    Mark.EVICTION: 0.0,
    Mark.EVICTED: 10.0,
    Mark.STARTED: 50.0,
    Mark.RUNS: 60.0,
    Mark.STOP: 100.0,
    Mark.STOPPED: 110.0,
    Mark.END: 120.0,
}
HEALTH = "Microsoft.ResourceNotifications.HealthResources.AvailabilityStatusChanged"
LEFT = {"x_ms_ratelimit_remaining_resource": "Microsoft.Compute/UpdateVMResource;11"}
WRITES = {"x_ms_ratelimit_remaining_subscription_writes": "199"}
ACCEPTED = ok(None, 202, 50, azure_asyncoperation=f"{ARM}/operation", retry_after="10", **LEFT, **WRITES)
ONGOING = "An ongoing operation is changing power state."
CHEAP = bad(409, "SpotPriceGreaterThanProvidedMaxPrice")
COLUMNS_OF_VM = dict.fromkeys(SHOWN_COLUMNS, "") | {"id": VM, "priority": "Spot"}
READ_VM = {"tags": {"moment": "now"}, "properties": {"priority": "Spot", "instanceView": {"statuses": []}}}
QUOTA = ok(x_ms_user_quota_remaining="14", x_ms_user_quota_resets_after="00:00:05")


def availability(state: str, seconds: float) -> Arrived:
    """Give an event of a VM's availability."""
    times = {"occurredTime": at(seconds).isoformat()}
    info = {"properties": {"targetResourceId": VM, "availabilityState": state, **times}}
    return event({"resourceInfo": info}, seconds, type=HEALTH)


ARRIVED = [
    annotated("VirtualMachinePreempted", 1),
    availability("Unavailable", 4),
    annotated("VirtualMachineAllocated", 55),
    annotated("VirtualMachineDeallocationInitiated", 101),
    operation(DEALLOCATE, 110),
]
ANSWERS: dict[str, list[Answered]] = {
    "simulate eviction": [ok(None, 204)],
    "annotations after the eviction": [rows({"properties": ROW})],
    "annotations after the start": [rows({"properties": ROW | {"annotationName": "VirtualMachineAllocated"}})],
    "second topic": [bad(409, "AlreadyExists")],
    "event subscription without rights": [bad(400, "Unauthorized")],
    "event subscription": [bad(400, "Unauthorized", when=-50), ok(when=-40)],
    "right of the topic at the queue": [ok(when=-55)],
    "confirm.kql": [rows(COLUMNS_OF_VM)],
    "confirm.kql of 100": [rows()],
    "sweep.kql": [replace(rows({"id": VM}), at=at(40))],
    "id in another casing": [rows({"id": VM})],
    "query in a burst": [QUOTA, bad(429, "RateLimiting")],
    "scale sets": [rows(POLICY)],
    "scale set": [ok(POLICY)],
    "priorities": [rows({"priority": "Spot"})],
    "instances of scale sets": [rows({"mode": "Flexible"})],
    "subscription": [ok()],
    "tag written": [ok({"properties": {"tags": {"moment": "now"}}})],
    "VM right after the tag": [ok(READ_VM)],
    "tag in another casing": [ok({"properties": {"tags": {"MOMENT": "now"}}})],
    "start": [ACCEPTED],
    "start of a running VM": [ok(None, 202)],
    "VM after the start of a running VM": [power("running")],
    "start below the price": [CHEAP],
    "start while it deallocates": [bad(409, "OperationNotAllowed", ONGOING)],
    "VM that is not there": [bad(404, "ResourceNotFound")],
    "group that is not there": [bad(404, "ResourceGroupNotFound")],
    "location of the start": [ok(None, 202, 51), ok(None, 200, 61)],
    "start of a locked VM": [bad(409, "ScopeLocked")],
}
POWERS = [*samples(UP, GOING, DOWN, first=8), *samples(UP, first=52), *samples(GOING, DOWN, first=105)]
SHOWN = [*samples(UP, first=-50), *samples(UP, DOWN, first=12)]
EVICTION_BELIEFS = [each.belief for each in CHECKS if each.belief[0] in "EQGCR" and each.belief != "E17"]
UNSEEN_HERE = {"E7", "Q2", "C4", "C5", "C20", "R7", "R8"}


def believed(
    answers: dict[str, Answered | list[Answered]] | None = None,
    without: tuple[Mark, ...] = (),
    **more: Any,  # noqa: ANN401 - any field of the observations
) -> Observations:
    """Give what was seen of an Azure that is as believed, but for these."""
    moments = {mark: when for mark, when in MOMENTS.items() if mark not in without}
    fields = {"arrived": ARRIVED, "powers": POWERS, "shown": SHOWN} | more
    return seen(ANSWERS | (answers or {}), moments, **fields)


def arrived(*more: Arrived, without: int | None = None) -> list[Arrived]:
    """Give the events, but for one, and others besides."""
    return [each for number, each in enumerate(ARRIVED) if number != without] + list(more)


def test_all_is_found_as_it_is_believed() -> None:
    """But for what this trial did not come across."""
    found = judged(believed(), frozenset())
    assert {belief for belief in EVICTION_BELIEFS if found[belief].verdict is UNSEEN} == UNSEEN_HERE
    assert {belief: each.how for belief, each in found.items() if each.verdict is FAILS} == {}


WITH_CALLER = operation(DEALLOCATE, 5)
NOT_BASE64 = Arrived(at(1), '{"specversion"', None)
OTHER_SCHEMA = Arrived(at(1), ARRIVED[0].raw, dict(ARRIVED[0].event or {}) | {"specversion": ""})
LATE_OPERATION = operation(DEALLOCATE, 300)
WITHOUT_VM = event({"resourceInfo": {"properties": {"occurredTime": "x"}}}, 3, type=HEALTH)
STALE = READ_VM | {"tags": {"moment": "before"}}
UNREAD = replace(ARRIVED[4], event=None, at=at(105))

TURNED: list[tuple[str, Observations]] = [
    ("E1", believed(arrived=arrived(without=0))),
    ("E2", believed(arrived=[annotated("VirtualMachinePreempted", 40), *ARRIVED[1:]])),
    ("E3", believed(arrived=arrived(without=1))),
    ("E3", believed(arrived=arrived(availability("Available", 4), without=1))),
    ("E4", believed(arrived=arrived(annotated("VirtualMachineDeallocationInitiated", 5)))),
    ("E5", believed(arrived=arrived(WITH_CALLER))),
    ("E8", believed({"simulate eviction": bad(409, "OperationNotAllowed")})),
    ("E10", believed(arrived=ARRIVED[:3])),
    ("E11", believed(arrived=[*ARRIVED[:4], LATE_OPERATION])),
    ("E12", believed({"annotations after the start": rows({"properties": ROW})})),
    ("E14", believed({"second topic": ok()})),
    ("E15", believed(arrived=[OTHER_SCHEMA, *ARRIVED[1:]])),
    ("E16", believed(arrived=arrived(WITHOUT_VM))),
    ("Q1", believed(arrived=arrived(NOT_BASE64))),
    ("Q14", believed({"event subscription without rights": ok()})),
    ("Q14", believed({"event subscription": bad(400, "Unauthorized")})),
    ("G1", believed({"confirm.kql": bad(400, "BadRequest")})),
    ("G2", believed({"confirm.kql of 100": bad(400, "BadRequest")})),
    ("G7", believed({"sweep.kql": replace(rows(), at=at(40))})),
    ("G8", believed({"id in another casing": rows()})),
    ("G6", believed(shown=samples(None, None, None))),
    ("G9", believed({"query in a burst": ok()})),
    ("G11", believed({"confirm.kql": rows(COLUMNS_OF_VM | {"vmSize": ""})})),
    ("C1", believed({"VM right after the tag": ok(STALE)})),
    ("C2", believed({"priorities": rows({"priority": "SpotNext"})})),
    ("C5", believed(powers=samples(UP, UNKNOWN, UNKNOWN))),
    ("C8", believed({"start": replace(ACCEPTED, headers={**ACCEPTED.headers, "retry-after": "5"})})),
    ("C9", believed({"start of a running VM": bad(409, "OperationNotAllowed")})),
    ("C10", believed({"start below the price": bad(409, "TooCheap")})),
    ("C12", believed({"start while it deallocates": bad(409, "OperationNotAllowed", "Somebody is at it.")})),
    ("C16", believed(powers=[each for each in POWERS if each.state is not UP])),
    ("C16", believed({"start": replace(ACCEPTED, took_s=121.0)})),
    ("C16", believed(powers=samples(UP, first=700))),
    ("C17", believed({"start": replace(ACCEPTED, headers={"retry-after": "10"})})),
    ("C18", believed({"tag in another casing": ok({"properties": {"tags": {"moment": "", "MOMENT": ""}}})})),
    ("C19", believed({"instances of scale sets": rows({"mode": "Uniform"})})),
    ("C23", believed({"start of nobody": bad(404, "WhoIsThat")})),
    ("C29", believed({"group that is not there": bad(404, "NotFound")})),
    ("C27", believed({"location of the start": bad(404, "NotFound")})),
    ("R5", believed({"start of a locked VM": ok(None, 202)})),
    ("R6", believed({"priorities": bad(401, "InvalidAuthenticationToken")})),
    ("R8", believed({"start of nobody": bad(403, "AuthorizationFailed")})),
]


@pytest.mark.parametrize(("belief", "what"), TURNED)
def test_what_is_not_as_believed_is_found_out(belief: str, what: Observations) -> None:
    """Whatever else was seen."""
    found = JUDGES[belief](what)
    assert found.verdict is FAILS, found
    assert found.seen_at is not None


ELSE: list[tuple[str, Observations]] = [
    *((belief, believed(without=(Mark.EVICTED,))) for belief in ("E1", "E3", "E4", "E5")),
    *((belief, believed(arrived=[])) for belief in ("E1", "E3", "E4", "E5", "E10", "E16", "Q1")),
    ("E8", believed({"simulate eviction": []})),
    ("E10", believed(without=(Mark.STOP,))),
    ("E11", believed(without=(Mark.STOPPED,))),
    ("E11", believed(arrived=ARRIVED[:4])),
    ("E14", believed({"second topic": []})),
    ("Q14", believed({"event subscription": []})),
    ("Q15", believed({"event subscription": bad(400, "Unauthorized")})),
    ("C3", believed(without=(Mark.EVICTED,), powers=[])),
    ("C3", believed(without=(Mark.STOPPED,))),
    ("G1", believed({"confirm.kql": []})),
    ("G3", believed(shown=[])),
    ("G3", believed(shown=samples(None))),
    ("G6", believed(shown=[])),
    ("G6", believed(shown=samples(None, None))),
    ("G6", believed(shown=samples(None, None, None), powers=samples(None))),
    ("G7", believed({"sweep.kql": rows()})),
    ("C5", believed(powers=samples(UP, UNKNOWN))),
    ("C12", believed({"start while it deallocates": bad(409, "AnotherOperationInProgress")})),
    ("C26", believed({"VM": bad(503, "x")}, powers=samples(None, None))),
    ("E8", believed(powers=[])),
    *((belief, believed(arrived=[ARRIVED[1], ARRIVED[4]], drained_at=at(9))) for belief in ("E1", "E4", "E5")),
    ("E10", believed(arrived=[ARRIVED[1]], drained_at=at(100))),
    ("E5", believed(arrived=arrived(UNREAD))),
    *((belief, believed(arrived=[*ARRIVED[2:], Arrived(at(3), "x", None)])) for belief in ("E1", "E3", "E4", "E5")),
    ("E14", believed({"second topic": bad(404, "ResourceGroupNotFound")})),
    ("E14", believed({"second topic": ok({"properties": {"provisioningState": "Creating"}})})),
    ("Q14", believed({"event subscription": bad(403, "RequestDisallowedByPolicy")})),
    ("R5", believed({"start of a locked VM": bad(409, "Conflict")})),
    ("G8", believed(shown=samples(None))),
    ("C9", believed({"start of a running VM": []})),
    ("C12", believed({"start while it deallocates": ok()})),
    ("C16", believed(without=(Mark.STARTED,))),
    ("C23", believed({"VM that is not there": []})),
    ("C27", believed({"location of the start": []})),
    ("C27", believed({"location of the start": ok(None, 202, 51)})),
    ("R6", believed({"subscription": []})),
    ("R7", believed({"aliases": bad(403, "AuthorizationFailed")})),
    ("R8", believed()),
    ("E4", believed(arrived=[each for each in ARRIVED if each.operation])),
    ("E5", believed(arrived=[each for each in ARRIVED if not each.operation])),
    ("E14", believed({"second topic": bad(403, "RequestDisallowedByPolicy")})),
    ("E14", believed({"second topic": bad(500, "InternalError")})),
    ("Q14", believed({"event subscription without rights": bad(503, "ServerBusy")})),
    ("Q14", believed({"event subscription without rights": bad(409, "Conflict")})),
    ("Q15", believed({"right of the topic at the queue": bad(403, "AuthorizationFailed")})),
    ("C18", believed({"tag written": bad(429, "TooManyRequests")})),
    ("C10", believed(missed={OWN_SIZE: "refused"})),
    (
        "C4",
        believed(
            {"operation of the refused start": ok(), "VM after the refused start": power("running")},
            missed={OWN_SIZE: "refused"},
        ),
    ),
]


@pytest.mark.parametrize("status", [0, 408, 429, 500, 503])
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_tells_nothing_makes_no_belief_untrue(name: str, status: int) -> None:
    """No answer, one that came too late, too many requests, an error of Azure's: of each request, one at a time."""
    what = believed({name: replace(bad(status, "Passing"), at=at(51))})
    of_limits = {"G9"} if (name, status) == ("query in a burst", 429) else set()
    assert {belief for belief, judge in JUDGES.items() if judge(what).verdict is FAILS} == of_limits


def test_an_eviction_ends_with_the_trials_own_stop_where_the_vm_was_not_started() -> None:
    """What is told of that stop is no part of the eviction."""
    stopped = believed(without=(Mark.STARTED, Mark.RUNS))
    assert (JUDGES["E4"](stopped).verdict, JUDGES["E5"](stopped).verdict) == (HOLDS, HOLDS)


def test_an_answer_that_no_judge_understands_leaves_its_belief_open_and_no_other() -> None:
    """A header that is no number, where one is expected."""
    odd = ok(None, x_ms_user_quota_remaining="14.0")
    found = judged(believed({"query in a burst": [odd, odd]}), frozenset({"G9", "C1"}))
    assert (found["G9"].verdict, found["C1"].verdict) == (UNSEEN, HOLDS)
    assert "cannot be judged" in found["G9"].how


@pytest.mark.parametrize(("belief", "what"), ELSE)
def test_what_was_not_seen_is_not_judged(belief: str, what: Observations) -> None:
    """Neither way; but the reason is said."""
    found = JUDGES[belief](what)
    assert found.verdict is UNSEEN, found
    assert found.how


BESIDE: list[tuple[str, Observations]] = [
    ("E3", believed(arrived=[availability("Available", 2), *ARRIVED])),
    ("E10", believed(arrived=[*ARRIVED[:3], operation(DEALLOCATE, 102)])),
    ("E11", believed(arrived=[*ARRIVED[:3], UNREAD, ARRIVED[4]])),
    ("C26", believed(powers=samples(UP))),
    ("G9", believed({"query in a burst": [QUOTA, ok()]})),
]


@pytest.mark.parametrize(("belief", "what"), BESIDE)
def test_what_comes_beside_it_does_not_matter(belief: str, what: Observations) -> None:
    """The belief holds all the same."""
    found = JUDGES[belief](what)
    assert found.verdict is HOLDS, found


def test_a_right_counts_for_what_it_allows() -> None:
    """``notActions`` take away; what is no list of permissions gives nothing; each right is needed once."""
    vm = "Microsoft.Compute/virtualMachines"
    permissions = {
        "value": [{"actions": ["microsoft.compute/*"], "notActions": ["*/delete"]}, {"actions": None}, "odd"]
    }
    assert lacking([f"{vm}/write", f"{vm}/delete"], permissions) == [f"{vm}/delete"]
    assert lacking([f"{vm}/write"], None) == [f"{vm}/write"]
    both = needed((Step.STOP, Step.REFUSALS))
    assert both.count(f"{vm}/deallocate/action") == 1
    assert set(both) == {*ALWAYS, *NEEDED[Step.STOP], *NEEDED[Step.REFUSALS]}


def test_events_are_made_up_as_event_grid_delivers_them() -> None:
    """In base64, so that Q1 has something to judge."""
    assert json.loads(base64.b64decode(ARRIVED[0].raw)) == ARRIVED[0].event
