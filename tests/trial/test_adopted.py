"""What trials in Azure have brought: the app reads it, and the laptop Azure says and does nothing else.

There is none yet: nobody has run a trial in Azure. What is adopted here is of the laptop, as if it were Azure.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest

from localazure.event_grid.azure_events import DeliverySchema, azure_event
from localazure.trial.ground import open_beneath
from localazure.world.happenings import ActionSucceeded, Annotated, AvailabilityChanged
from localazure.world.world import SUBSCRIPTION
from scripts.adopt_trial import FIXTURES, PAGE, NotAdoptedError, adopt, main, marked, read_evidence
from spot_responder.commands.trials.evidence import as_json, write_whole
from spot_responder.intake.events import read_event
from spot_responder.intake.payloads import text_field
from spot_responder.trial.views.report import belief_list, payloads, redaction_of
from tests.harness.fronts import assert_same_shape
from tests.trial.harness.trials import now
from tests.trial.turns.turned import STEPS, Trial, tried
from tests.trial.turns.turning import Turning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ADOPTED: Final = sorted(FIXTURES.glob("trial-*.json"))
E1: Final = {"belief": "E1", "verdict": "holds"}
VM: Final = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v"
ANNOTATION: Final = "Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated"
AVAILABILITY: Final = "Microsoft.ResourceNotifications.HealthResources.AvailabilityStatusChanged"
ACTION: Final = "Microsoft.Resources.ResourceActionSuccess"
LAPTOPS: Final = {each.lower() for each in (ANNOTATION, AVAILABILITY, ACTION)}
"""The types of event that the laptop Azure sends."""
ONLY_AZURES: Final = {
    f"microsoft.resources.resource{what}{end}"
    for what in ("action", "write", "delete")
    for end in ("success", "failure", "cancel")
} - LAPTOPS
"""Azure's other types of event: the laptop Azure has none of them, and the app does not go by them."""


def laptops(event: Mapping[str, object]) -> dict[str, object]:
    """Give the laptop Azure's event of the same type."""
    told = ("data", "resourceInfo", "properties")
    match text_field(event, "type").lower():
        case kind if kind == ANNOTATION.lower():
            name = text_field(event, *told, "annotationName")
            happened: Annotated | AvailabilityChanged | ActionSucceeded = Annotated(VM, now(), name)
        case kind if kind == AVAILABILITY.lower():
            happened = AvailabilityChanged(VM, now(), "Available", text_field(event, *told, "availabilityState"))
        case _:
            happened = ActionSucceeded(VM, now(), text_field(event, "data", "operationName"), "somebody")
    return azure_event(happened, "id", now()).written(DeliverySchema.CLOUD_EVENTS)


def hold(evidence: Mapping[str, Any]) -> set[str]:
    """Hold app and laptop Azure against each event of a trial; give the types that were held against the laptop's.

    An event of a type that nobody knows is no reason to pass over it: then nothing would be checked of it.
    """
    held = set()
    for each in evidence["events"]:
        event = each["event"]
        kind = text_field(event, "type").lower()
        assert kind in LAPTOPS | ONLY_AZURES, f"nothing is known of events of type {event.get('type')!r}"
        read_event(event)
        if kind in LAPTOPS:
            assert_same_shape(event, laptops(event), event["type"])
            held.add(kind)
    assert held or not evidence["events"], "none of the events was held against the laptop Azure's"
    return held


def evidence_of(trial: Trial) -> dict[str, Any]:
    """Give what a trial of the laptop Azure has brought, as the command writes it."""
    redaction = redaction_of(trial.seen, (SUBSCRIPTION,))
    evidence = {"laptop": True, "beliefs": belief_list(trial.found, redaction), **payloads(trial.seen, redaction)}
    written: dict[str, Any] = json.loads(json.dumps(evidence))
    return written


def differences(azure: Mapping[str, Any], laptop: Mapping[str, Any]) -> list[str]:
    """Say in what a trial of the laptop Azure came out otherwise than one in Azure did.

    What one of them did not see is no difference. Of an answer, Azure's may have more than the laptop's.
    """
    verdicts = {each["belief"]: each["verdict"] for each in laptop["beliefs"]}
    found = [
        f"{each['belief']} in Azure: {each['verdict']}; on the laptop: {verdicts.get(each['belief'])}"
        for each in azure["beliefs"]
        if "not-seen" not in {each["verdict"], verdicts.get(each["belief"])}
        and each["verdict"] != verdicts.get(each["belief"])
    ]
    for name in sorted(set(azure["answers"]) & set(laptop["answers"])):
        theirs, ours = azure["answers"][name][-1], laptop["answers"][name][-1]
        if theirs["status"] < 300 and ours["status"] < 300 and "left out" not in (theirs["body"], ours["body"]):
            found += not_azures(ours["body"], theirs["body"], name)
    return found


def not_azures(ours: object, theirs: object, where: str) -> list[str]:
    """Give the fields of an answer of the laptop that Azure's answer has not."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        shared = [
            each for key in ours if key in theirs for each in not_azures(ours[key], theirs[key], f"{where}.{key}")
        ]
        return [*(f"{where}.{key} is not in Azure's" for key in ours if key not in theirs), *shared]
    if isinstance(ours, list) and isinstance(theirs, list):
        return not_azures(ours[0], theirs[0], f"{where}[0]") if ours and theirs else []
    return [] if type(ours) is type(theirs) else [f"{where} is {type(theirs).__name__} in Azure's"]


def trial_of_laptop(folder: Path) -> dict[str, Any]:
    """Give the evidence of a trial of the laptop Azure, as it is."""

    async def story() -> Trial:
        async with open_beneath(folder) as beneath:
            return await asyncio.to_thread(tried, folder / "trial", beneath, 1, Turning(), STEPS)

    return evidence_of(asyncio.run(story()))


@pytest.mark.parametrize("file", ADOPTED, ids=lambda file: str(file.name))
def test_the_app_reads_what_azure_sent(file: Path, tmp_path: Path) -> None:
    """And the laptop Azure does the like, and sends the like."""
    evidence = json.loads(file.read_text(encoding="utf-8"))
    hold(evidence)
    assert differences(evidence, trial_of_laptop(tmp_path)) == []


def test_what_a_trial_brought_is_adopted_and_held_against_the_laptop(tmp_path: Path) -> None:
    """From the trial's own file to a fixture, marks, and red tests where the laptop Azure differs."""
    laptop = trial_of_laptop(tmp_path)
    file, page = tmp_path / "trial-2030-01-02-101500.json", tmp_path / "page.md"
    file.write_text(json.dumps(laptop | {"laptop": False}), encoding="utf-8")
    shutil.copy(PAGE, page)
    fixture = adopt(file, tmp_path / "fixtures", page)
    marks = page.read_text(encoding="utf-8").count("| holds, 2030-01-02 |")
    assert marks == sum(each["verdict"] == "holds" for each in laptop["beliefs"]) > 60
    azure = json.loads(fixture.read_text(encoding="utf-8"))
    assert hold(azure) == LAPTOPS
    assert differences(azure, laptop) == []

    azure["beliefs"] = [
        each | ({"verdict": "does-not-hold"} if each["belief"] == "E4" else {}) for each in azure["beliefs"]
    ]
    assert differences(azure, laptop) == ["E4 in Azure: does-not-hold; on the laptop: holds"]
    del azure["answers"]["VM right after the tag"][-1]["body"]["properties"]["priority"]
    assert differences(azure, laptop)[1:] == ["VM right after the tag.properties.priority is not in Azure's"]
    azure["events"][0]["event"]["data"]["more"] = True
    with pytest.raises(AssertionError, match="'more' is missing"):
        hold(azure)


def test_an_answer_may_have_more_in_azure_than_on_the_laptop() -> None:
    """But not less, nor something else in its place."""
    assert not_azures({"a": [{"b": 1}]}, {"a": [{"b": 2, "c": 3}], "d": 4}, "VM") == []
    assert not_azures({"a": []}, {"a": [1]}, "VM") == []
    assert not_azures({"a": [{"b": 1}]}, {"a": [{"b": "1"}]}, "VM") == ["VM.a[0].b is str in Azure's"]


def _evidence(**changes: object) -> dict[str, Any]:
    event = azure_event(Annotated(VM, now(), "VirtualMachinePreempted"), "id", now())
    written = json.loads(json.dumps(event.written(DeliverySchema.CLOUD_EVENTS))) | changes
    return {"laptop": False, "beliefs": [E1], "answers": {}, "events": [{"event": written}]}


def test_an_event_that_nothing_is_checked_of_is_no_good_event() -> None:
    """Its type may have been replaced by whatever took out the names: then it would be passed over in silence."""
    with pytest.raises(AssertionError, match="nothing is known of events of type 'name-3"):
        hold(_evidence(type="name-3.ResourceActionSuccess"))
    with pytest.raises(AssertionError, match="none of the events was held"):
        hold(_evidence(type="Microsoft.Resources.ResourceWriteSuccess"))


def test_a_laptop_azure_that_differs_is_found_out() -> None:
    """By the first event that has what its own have not."""
    hold(_evidence())
    with pytest.raises(AssertionError, match="'traceparent' is missing"):
        hold(_evidence(traceparent="00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"))


def test_a_verdict_is_marked_in_the_page() -> None:
    """What was not seen stays as it was."""
    page = PAGE.read_text(encoding="utf-8")
    verdicts = {"E1": "holds", "E4": "does-not-hold", "V1": "not-seen"}
    changed = set(marked(page, "2030-01-02", verdicts).splitlines()) - set(page.splitlines())
    assert sorted(changed) == [
        "| E1 | checked: eviction | holds, 2030-01-02 |",
        "| E4 | checked: eviction | does-not-hold, 2030-01-02 |",
    ]


NAME: Final = "trial-2030-01-02-101500.json"
BAD: Final[dict[str, tuple[object, str]]] = {
    "of the laptop": (_evidence() | {"laptop": True}, "says nothing about Azure"),
    "a list": ([], "is no evidence of a trial"),
    "cut off": ('{"laptop": false', "cannot be read"),
    "killed": ({"laptop": False, "unfinished": True}, "ended before it wrote what it found"),
    "beliefs are a text": (_evidence() | {"beliefs": "E1"}, "'beliefs' is missing, or no list"),
    "no events": ({"laptop": False, "beliefs": [], "answers": {}}, "'events' is missing, or no list"),
    "answers are a list": (_evidence() | {"answers": []}, "'answers' is missing, or no object"),
    "a belief is a text": (_evidence() | {"beliefs": ["E1"]}, "entry 1 of 'beliefs' names no belief"),
    "no verdict": (_evidence() | {"beliefs": [E1, {"belief": "E2"}]}, "entry 2 of 'beliefs' names no belief, or no"),
    "odd verdict": (_evidence() | {"beliefs": [E1 | {"verdict": "maybe"}]}, "entry 1 of 'beliefs'"),
    "a list as verdict": (_evidence() | {"beliefs": [E1 | {"verdict": []}]}, "entry 1 of 'beliefs'"),
    "twice": (_evidence() | {"beliefs": [E1, E1]}, "'beliefs' has E1 twice"),
    "unknown belief": (_evidence() | {"beliefs": [E1 | {"belief": "E99"}]}, "has no row of E99"),
    "a belief with escapes": (_evidence() | {"beliefs": [E1 | {"belief": "\033[2J"}]}, "entry 1 of 'beliefs' names no"),
    "a long name": (_evidence() | {"answers": {"V" * 100_000: 7}}, " … VVV"),
    "nothing was found": (_evidence() | {"beliefs": []}, "'beliefs' is empty"),
    "no check": (_evidence() | {"beliefs": [E1 | {"belief": "R1"}]}, "R1 is not checked by a trial"),
    "odd event": (_evidence() | {"events": [{"event": 7}]}, "entry 1 of 'events' has no event"),
    "odd answer": (_evidence() | {"answers": {"VM": [{}]}}, "the answers to 'VM' are no list of answers"),
    "odd status": (
        _evidence() | {"answers": {"VM": [{"status": "200", "body": {}}]}},
        "the answers to 'VM' are no list of answers",
    ),
    "no answers": (_evidence() | {"answers": {"VM": 7}}, "the answers to 'VM' are no list of answers"),
}


@pytest.mark.parametrize(("content", "what"), BAD.values(), ids=BAD.keys())
def test_what_is_no_good_evidence_changes_nothing(content: object, what: str, tmp_path: Path) -> None:
    """One line says what is wrong with it; neither fixture nor page is written."""
    file, page = tmp_path / NAME, tmp_path / "page.md"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    shutil.copy(PAGE, page)
    with pytest.raises(NotAdoptedError, match=re.escape(what)) as refusal:
        adopt(file, tmp_path / "fixtures", page)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 2000
    assert not (tmp_path / "fixtures").exists()
    assert page.read_bytes() == PAGE.read_bytes()


def test_a_file_of_another_name_or_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Its day would not be known."""
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(_evidence()), encoding="utf-8")
    with pytest.raises(NotAdoptedError, match="give it its name again"):
        read_evidence(file)
    with pytest.raises(NotAdoptedError, match="cannot be read"):
        read_evidence(tmp_path / NAME)
    no_day = file.rename(tmp_path / "trial-2030-02-31-101500.json")
    with pytest.raises(NotAdoptedError, match="give it its name again"):
        read_evidence(no_day)
    assert main([]) == 1
    assert main([str(no_day)]) == 1


def test_an_older_trial_does_not_take_the_place_of_a_newer_one() -> None:
    """What Azure did last is what counts, in whatever order they are adopted."""
    page = "| E1 | checked: eviction | - |\n| E2 | checked: eviction | - |\n"
    newer = marked(page, "2030-02-01", {"E1": "does-not-hold"})
    both = marked(newer, "2030-01-01", {"E1": "holds", "E2": "holds"})
    assert "| E1 | checked: eviction | does-not-hold, 2030-02-01 |" in both
    assert "| E2 | checked: eviction | holds, 2030-01-01 |" in both
    assert "| E1 | checked: eviction | holds, 2030-03-01 |" in marked(both, "2030-03-01", {"E1": "holds"})


def test_half_a_character_that_azure_sent_is_adopted_as_it_was_written(tmp_path: Path) -> None:
    """A trial can write it down, so that file must not be one that nobody can adopt."""
    file, page = tmp_path / NAME, tmp_path / "page.md"
    write_whole(file, as_json(_evidence() | {"heading": "half \ud83d of it"}))
    shutil.copy(PAGE, page)
    fixture = adopt(file, tmp_path / "fixtures", page)
    assert json.loads(fixture.read_text(encoding="utf-8"))["heading"] == "half \ud83d of it"
    assert adopt(file, tmp_path / "fixtures", page) == fixture


def test_a_trial_takes_no_other_ones_place_and_both_files_are_written_or_none(tmp_path: Path) -> None:
    """Two people may have begun in one second; and nothing may be written beside the page."""
    file, page, fixtures = tmp_path / NAME, tmp_path / "page.md", tmp_path / "fixtures"
    file.write_text(json.dumps(_evidence()), encoding="utf-8")
    shutil.copy(PAGE, page)
    first = adopt(file, fixtures, page)
    marked_once = page.read_bytes()
    assert adopt(file, fixtures, page) == first
    file.write_text(json.dumps(_evidence() | {"heading": "another"}), encoding="utf-8")
    with pytest.raises(NotAdoptedError, match="is there already, of another trial"):
        adopt(file, fixtures, page)
    assert "another" not in first.read_text(encoding="utf-8")

    first.unlink()
    (tmp_path / ".page.md.new").mkdir()
    with pytest.raises(NotAdoptedError, match="nothing was changed"):
        adopt(file, fixtures, page)
    assert list(fixtures.iterdir()) == []
    assert page.read_bytes() == marked_once
