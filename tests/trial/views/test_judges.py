"""What is made of what was seen, where the laptop Azure shows nothing of the kind."""

from __future__ import annotations

import pytest

from spot_responder.trial.field import IN_AZURE
from spot_responder.trial.views.announcement import (
    BESIDES_USD,
    PAID_MINUTES,
    REMOVAL_MINUTES,
    USUAL_MINUTES,
    announcement,
    max_price,
)
from spot_responder.trial.views.checks import judged
from spot_responder.trial.views.observations import Arrived, Mark, Observations
from spot_responder.trial.views.redaction import Redaction
from spot_responder.trial.views.report import belief_list, counts, page, payloads, redaction_of
from spot_responder.trial.views.rights import needed
from spot_responder.trial.views.verdicts import Found, Step, Verdict
from tests.trial.harness.made_up import (
    ALIASES,
    DEALLOCATE,
    DOWN,
    EVICTED,
    FAILS,
    GOING,
    GOOD_START,
    HOLDS,
    JUDGES,
    NEVER,
    NOBODYS,
    ODD,
    POLICY,
    ROW,
    STOP,
    STOPPED,
    UNKNOWN,
    UNSEEN,
    UP,
    VM,
    T,
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

FAILED = ok({"status": "Failed"})
CASES: list[tuple[str, Verdict, Observations]] = [
    ("E1", UNSEEN, seen(marks=EVICTED)),
    ("E2", UNSEEN, seen(marks={Mark.EVICTION: 0}, arrived=[annotated("VirtualMachinePreempted")])),
    ("E2", FAILS, seen(marks={Mark.EVICTION: 0, Mark.EVICTED: 400}, arrived=[annotated("VirtualMachinePreempted", 1)])),
    ("E7", HOLDS, seen(marks=EVICTED, arrived=[operation("Microsoft.Compute/virtualMachines/evictSpotVM/action", 2)])),
    ("E7", HOLDS, seen({"activity log": ok({"value": [{"operationName": {"value": "x/evictSpotVM/action"}}]})})),
    ("E7", UNSEEN, seen({"activity log": ok({"value": [{"operationName": {"value": "x/start"}}]})})),
    ("E7", UNSEEN, seen({"activity log": ok("odd")})),
    ("E8", FAILS, seen({"simulate eviction": ok()}, powers=samples(UP, UP))),
    ("E8", FAILS, seen({"simulate eviction": ok()}, powers=samples(UP, DOWN, first=2000))),
    ("E10", UNSEEN, seen(marks=STOP)),
    ("E10", HOLDS, seen(marks=STOP, arrived=[event({}, 101), operation(DEALLOCATE, 102)])),
    ("E10", UNSEEN, seen(marks=STOP, arrived=[Arrived(at(101), "x", None)])),
    ("E10", FAILS, seen(marks=STOP, arrived=[ODD, NOBODYS])),
    ("E11", UNSEEN, seen(marks=STOP)),
    ("E12", UNSEEN, seen({"annotations after the start": rows()})),
    ("E15", UNSEEN, seen(arrived=[annotated("x")])),
    ("E15", UNSEEN, seen(arrived=[Arrived(T, "x", None)])),
    ("E15", UNSEEN, seen(arrived=[Arrived(T, "x", None), annotated("x"), operation("Microsoft.Compute/x/action")])),
    ("E16", HOLDS, seen(arrived=[annotated("VirtualMachinePreempted"), event({})])),
    ("E16", UNSEEN, seen(arrived=[Arrived(T, "x", None), annotated("VirtualMachinePreempted")])),
    ("E16", UNSEEN, seen(arrived=[event({})])),
    ("Q1", UNSEEN, seen(arrived=[Arrived(T, "", None)])),
    ("Q1", UNSEEN, seen(arrived=[Arrived(T, "true", None), annotated("VirtualMachinePreempted")])),
    ("E12", UNSEEN, seen({"annotations after the start": rows({"properties": {}})})),
    ("E16", UNSEEN, seen()),
    ("Q14", FAILS, seen({"event subscription without rights": bad(400, "x"), "event subscription": bad(400, "x")})),
    (
        "Q15",
        FAILS,
        seen({"right of the topic at the queue": ok(), "event subscription": [bad(400, "x"), ok(when=700)]}),
    ),
    ("C3", FAILS, seen(marks=EVICTED | {Mark.STOP: 1}, powers=samples(UP, GOING, STOPPED, first=2))),
    ("C3", HOLDS, seen(marks=EVICTED | STOP, powers=samples(STOPPED, DOWN))),
    ("G1", UNSEEN, seen({"confirm.kql": bad(429, "x")})),
    ("G3", UNSEEN, seen(marks=EVICTED)),
    ("G3", FAILS, seen(marks=EVICTED, shown=samples(UP, UP, first=20))),
    ("G3", UNSEEN, seen(marks=EVICTED, shown=samples(UP, first=-5))),
    ("G3", FAILS, seen(marks=EVICTED, shown=samples(UP, DOWN, first=2000))),
    ("G4", FAILS, seen({"annotations after the eviction": rows({"properties": NEVER})})),
    ("G4", HOLDS, seen({"annotations after the eviction": rows({"properties": ROW})})),
    ("G5", FAILS, seen({"scale sets": rows({"id": VM}), "scale set": ok(POLICY)})),
    ("G5", UNSEEN, seen({"scale sets": rows(POLICY), "scale set": ok("odd")})),
    ("G6", FAILS, seen(marks={Mark.CREATED: 0}, shown=samples(UP, first=700))),
    ("G7", UNSEEN, seen({"sweep.kql": rows()}, shown=samples(UP))),
    ("G7", UNSEEN, seen({"sweep.kql": bad(400, "x")})),
    ("G8", UNSEEN, seen({"id in another casing": rows()})),
    ("G9", UNSEEN, seen({"query in a burst": bad(401, "x")})),
    ("G9", FAILS, seen({"query in a burst": ok(x_ms_user_quota_remaining="14")})),
    ("G11", UNSEEN, seen({"confirm.kql": rows()})),
    ("C2", UNSEEN, seen({"priorities": ok({"data": None})})),
    ("C2", HOLDS, seen({"priorities": rows({"priority": "SpotPlus"}, {"priority": ""})})),
    ("C20", HOLDS, seen({"fleets": rows({"id": "f", "maintain": True})})),
    ("C20", FAILS, seen({"fleets": rows({"id": "f"})})),
    ("C20", UNSEEN, seen({"fleets": rows({"id": "f", "maintain": False})})),
    ("C19", UNSEEN, seen({"instances of scale sets": rows({"mode": ""})})),
    ("C1", UNSEEN, seen({"tag written": bad(403, "x"), "VM right after the tag": ok({})})),
    ("C1", UNSEEN, seen(missed={"tag written": "no"})),
    ("C4", HOLDS, seen({"operation of the refused start": FAILED, "VM after the refused start": power("deallocated")})),
    ("C4", FAILS, seen({"operation of the refused start": FAILED, "VM after the refused start": power("stopped")})),
    ("C4", UNSEEN, seen({"operation of the refused start": ok(), "VM after the refused start": power("stopped")})),
    ("C4", UNSEEN, seen({"operation of the refused start": FAILED, "VM after the refused start": ok()})),
    ("C5", HOLDS, seen(powers=samples(UP, UNKNOWN, UP))),
    ("C7", FAILS, seen({"start": ok(None, 202, azure_asyncoperation="https://elsewhere/x")})),
    ("C7", UNSEEN, seen({"start": bad(409, "x")})),
    ("C8", UNSEEN, seen({"start": ok()})),
    ("C8", UNSEEN, seen()),
    ("C8", FAILS, seen({"start": GOOD_START})),
    ("C10", UNSEEN, seen({"VM beyond the quota": ok()})),
    ("C10", UNSEEN, seen({"VM beyond the quota": bad(409, "SkuNotAvailable")})),
    (
        "C10",
        HOLDS,
        seen(
            {
                "start below the price": ok(None, 202),
                "operation of the refused start": ok(
                    {"status": "Failed", "error": {"code": "SpotPriceGreaterThanProvidedMaxPrice"}}
                ),
            }
        ),
    ),
    ("C16", FAILS, seen({"start": GOOD_START}, {Mark.STARTED: 0}, powers=samples(DOWN, first=9))),
    ("C16", UNSEEN, seen({"start": GOOD_START}, {Mark.STARTED: 0})),
    ("C7", UNSEEN, seen({"start, without an answer": bad(503, "x"), "start": ok()})),
    ("C16", UNSEEN, seen({"start": bad(409, "x")}, {Mark.STARTED: 0})),
    ("C17", UNSEEN, seen()),
    ("C18", UNSEEN, seen({"tag in another casing": bad(403, "x")})),
    ("C18", UNSEEN, seen({"tag written": ok(), "tag in another casing": ok({"properties": {"tags": None}})})),
    ("C1", UNSEEN, seen({"tag written": ok(), "VM right after the tag": ok({})})),
    ("R7", UNSEEN, seen({"aliases": ok({})})),
    ("C23", UNSEEN, seen({"VM that is not there": bad(403, "x")})),
    ("C29", UNSEEN, seen()),
    ("C29", UNSEEN, seen({"group that is not there": bad(404, "ResourceGroupNotFound")})),
    ("C29", UNSEEN, seen({"group that is not there": ok(), "VM that is not there": bad(404, "ResourceNotFound")})),
    ("C29", FAILS, seen({"group that is not there": bad(404, "NotFound"), "VM that is not there": bad(404, "")})),
    ("C26", UNSEEN, seen(marks={Mark.CREATED: 0})),
    ("C26", HOLDS, seen(marks={Mark.CREATED: 0}, powers=samples(None, UP))),
    ("C26", FAILS, seen(marks={Mark.CREATED: 0}, powers=samples(None, UP, first=700))),
    ("C27", UNSEEN, seen({"location of the start": ok(None, 202)})),
    ("C27", FAILS, seen({"location of the start": ok(None, 202, when=999)}, {Mark.RUNS: 10})),
    ("R5", UNSEEN, seen(missed={"start of a locked VM": "no lock"})),
    ("R6", FAILS, seen({"subscription": bad(401, "x"), "priorities": rows()})),
    ("R6", UNSEEN, seen({"subscription": bad(403, "x"), "priorities": rows()})),
    ("W1", UNSEEN, seen({"received again": ok(""), "old receipt": bad(403, "x"), "new receipt": ok()})),
    ("W3", UNSEEN, seen({"old receipt": bad(403, "x")})),
    (
        "W8",
        UNSEEN,
        seen(
            {
                "blob created": [bad(503, "x"), bad(409, "x")],
                "blob created again": bad(409, "x"),
                "blob read": ok("first"),
            }
        ),
    ),
    ("W10", UNSEEN, seen({"damaged upload": bad(400, "InvalidHeaderValue")})),
    ("R7", HOLDS, seen({"aliases": ok(ALIASES)})),
    ("R7", FAILS, seen({"aliases": ok(["Microsoft.Compute/virtualMachines/priority"])})),
    ("R8", UNSEEN, seen({"start of nobody": bad(404, "x")})),
    ("W1", FAILS, seen({"received again": ok("seen"), "old receipt": bad(404, "x"), "new receipt": ok()})),
    ("W1", HOLDS, seen({"received again": ok(""), "old receipt": bad(404, "x"), "new receipt": ok()})),
    ("Q2", HOLDS, seen({"message for a week": ok(), "message hidden": ok(""), "message shown": ok("seen")})),
    ("Q2", FAILS, seen({"message for a week": bad(400, "x"), "message hidden": ok(""), "message shown": ok("seen")})),
    ("W2", FAILS, seen({"given back": ok("")})),
    ("W3", FAILS, seen({"old receipt": ok()})),
    ("W4", FAILS, seen({"late delete": bad(404, "x")})),
    ("W8", FAILS, seen({"blob created": ok(), "blob created again": ok(), "blob read": ok("second")})),
    ("W8", HOLDS, seen({"blob created": ok(), "blob created again": bad(409, "x"), "blob read": ok("first")})),
    ("W10", FAILS, seen({"damaged upload": ok()})),
    ("W11", FAILS, seen({"count with a hidden one": ok(0)})),
    ("W11", UNSEEN, seen({"count with a hidden one": bad(403, "x")})),
]


@pytest.mark.parametrize(("belief", "verdict", "what"), CASES)
def test_a_belief_is_judged_by_what_was_seen(belief: str, verdict: Verdict, what: Observations) -> None:
    """And by nothing else; each verdict says how it was come by, and but for the unseen also when."""
    found = JUDGES[belief](what)
    assert found.verdict is verdict, found
    assert found.how
    assert found.verdict is Verdict.NOT_SEEN or found.seen_at is not None


def test_what_an_interrupted_step_is_about_stays_open() -> None:
    """An event that did not come might have come: only what rests on steps that came to their end is judged."""
    what = seen(
        {"subscription": ok(), "priorities": rows()}, EVICTED, arrived=[annotated("VirtualMachineAllocated", 55)]
    )
    assert judged(what, frozenset())["E1"].verdict is FAILS
    found = judged(what, frozenset(), (), (Step.EVICTION, Step.STOP))
    assert found["R6"].verdict is HOLDS
    assert found["E1"].verdict is UNSEEN
    assert found["E1"].how.startswith("step eviction was interrupted; until then: annotations of a simulated eviction")
    failed = judged(Observations(""), frozenset(), {Step.EVICTION: "step eviction: refused"}.items(), (Step.EVICTION,))
    assert failed["E8"].how.endswith("; step eviction: refused")


def test_an_event_that_is_read_as_another_vms_is_found_out() -> None:
    """The app would look at the wrong VM."""
    what = seen(arrived=[annotated("VirtualMachinePreempted")])
    what.vm_id = f"{VM}-2"
    assert JUDGES["E16"](what).verdict is FAILS


def test_the_announcement_says_what_is_asked_for_and_no_more() -> None:
    """What it costs follows from the limit that Azure keeps."""
    said = ("s", "westeurope", "Standard_D2s_v5", 1.0, "me", 0)
    whole = announcement(tuple(Step), *said, keep=False)
    assert "1.00 USD at most" in whole
    assert f"max price is {max_price(1.0)} USD" in whole
    assert max_price(1.0) * PAID_MINUTES / 60 + BESIDES_USD <= 1.0001
    assert f"It usually takes up to {USUAL_MINUTES} minutes, and longer where Azure is slow." in whole
    assert all(right in whole for right in needed(tuple(Step)))
    assert "locks/write" not in announcement((Step.READ,), *said, keep=False)
    assert IN_AZURE.gone <= REMOVAL_MINUTES * 60
    assert "It creates nothing" in announcement((Step.READ,), *said, keep=False)
    assert "earlier trial" not in whole
    after_another = announcement(tuple(Step), *said[:-1], 3, keep=False)
    assert "an earlier trial has left: 3 resources, which may take 40 minutes more" in after_another
    assert "and no others:" in whole
    assert "and to take away what an earlier trial has left, those of that trial:" in after_another


def test_who_keeps_everything_is_not_told_that_it_is_taken_away() -> None:
    """It goes on costing; and no time is spent on a removal."""
    kept = announcement(tuple(Step), "s", "westeurope", "Standard_D2s_v5", 1.0, "me", 0, keep=True)
    assert "takes all of that away" not in kept
    assert "At its end it leaves all of that there, which goes on costing" in kept
    assert f"up to {USUAL_MINUTES - REMOVAL_MINUTES} minutes" in kept


def test_what_costs_a_little_without_a_vm_is_said_to_cost_it() -> None:
    """A storage account and its messages are not for nothing; what creates nothing costs nothing."""
    said = ("s", "westeurope", "Standard_D2s_v5", 1.0, "me", 0)
    assert "It costs 0.20 USD at most" in announcement((Step.READ, Step.GROUP, Step.WITNESS), *said, keep=False)
    assert "USD" not in announcement((Step.READ,), *said, keep=False)


def test_the_evidence_has_what_was_seen_without_whose_it_was() -> None:
    """In the list, in the payloads and on the page; what could not be read is left out."""
    what = seen(
        {
            "start": ok({"id": VM}, retry_after="10", set_cookie="secret"),
            "aliases": ok(["many"]),
            "quota": bad(403, "x"),
        },
        EVICTED,
        arrived=[annotated("VirtualMachinePreempted"), Arrived(T, "rubbish", None)],
        powers=samples(UP, None),
        shown=samples(UP),
    )
    redaction = redaction_of(what, ("my-login",))
    found = {
        "E1": Found(HOLDS, "as my-login | said\nso", T),
        "E9": Found(UNSEEN, "needs a preview: my-login", is_ours=True),
    }
    assert [each["how"] for each in belief_list(found, redaction)] == [
        "as known-1 | said\nso",
        "needs a preview: my-login",
    ]
    evidence = payloads(what, redaction)
    assert evidence["answers"]["start"][0]["headers"] == {"retry-after": "10"}
    assert evidence["answers"]["aliases"][0]["body"] == "left out"
    assert evidence["answers"]["quota"][0]["status"] == 403
    assert len(evidence["events"]) == 1
    written = page(found, what, redaction, "Trial")
    assert "| E1 | 2030-01-01T00:00:00Z | as known-1 \\| said so |" in written
    assert counts(found) == "holds 1, does-not-hold 0, not-seen 1"


def test_a_long_run_of_letters_in_a_path_is_no_token() -> None:
    """But a token is, wherever it stands."""
    redaction = Redaction()
    path = "Microsoft.Compute/virtualMachines/deallocate/action-and-so-on-and-so-on"
    redaction.learn([path, "x" * 50, "ab"])
    assert redaction.apply([path, f"a {'x' * 50} b"]) == [path, "a token-1 b"]
