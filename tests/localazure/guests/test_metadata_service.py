"""The metadata service of a VM, asked as a program in the VM asks it."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http.client import IncompleteRead, RemoteDisconnected
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ManagedIdentityCredential

from localazure.guests.event_documents import PREVIEW, VERSIONS
from localazure.guests.instance_metadata import InboundRule
from localazure.guests.metadata_faults import Category, Trouble
from localazure.guests.notices import LONGEST_NOTICE, Notice
from localazure.guests.scheduled_events import EventType
from localazure.runtime.identity import TokenIssuer
from localazure.world.world import OWNER, World
from tests.harness.fronts import START, Clock, assert_same_shape
from tests.localazure.guests.served import (
    COMPUTE,
    EVENTS,
    IDENTITY,
    INSTANCE,
    ISSUER_KEY,
    LOAD_BALANCER,
    METADATA,
    Served,
    served,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SAMPLES: Final = Path(__file__).resolve().parents[2] / "payloads" / "imds"
PARTS: Final = {
    Category.INSTANCE: INSTANCE,
    Category.SCHEDULED_EVENTS: EVENTS,
    Category.IDENTITY: IDENTITY,
    Category.LOAD_BALANCER: LOAD_BALANCER,
}


def play(story: Callable[[Served], Awaitable[None]], world: World | None = None, name: str = "vm-1") -> None:
    """Serve a VM and play a story with it."""

    async def whole() -> None:
        async with served(world, name) as service:
            await story(service)

    asyncio.run(whole())


def sample(name: str) -> Any:  # noqa: ANN401 - JSON
    """Read one of the answers that were collected in public."""
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def test_a_vm_reads_its_eviction() -> None:
    """Nothing at first; then Preempt, with a time that the VM's clock reaches when it goes down."""

    async def story(vm: Served) -> None:
        assert (await vm.ask()).content == sample("00_empty")
        vm.service.announcements.evict("vm-1", Notice(timedelta(seconds=10)))
        told = (await vm.ask()).content
        collected = sample("11_preempt_scheduled_api2020-07-01")
        (event,), (theirs,) = told["Events"], collected["Events"]
        assert_same_shape(collected, told)
        assert event | {"EventId": "", "NotBefore": ""} == theirs | {
            "EventId": "",
            "NotBefore": "",
            "Resources": ["vm-1"],
        }
        assert parsedate_to_datetime(event["NotBefore"]) == START + timedelta(seconds=10)
        vm.clock.wait(9)
        assert (await vm.ask()).content == told
        vm.clock.wait(1)
        with pytest.raises(RemoteDisconnected):
            await vm.ask()

    play(story)


def test_a_vm_is_not_answered_while_it_is_down() -> None:
    """Nobody is inside; when it runs again, the document is empty and its incarnation has risen."""

    async def story(vm: Served) -> None:
        vm.service.announcements.evict("vm-1", Notice(timedelta(seconds=3)))
        for seconds in (3, 60):
            vm.clock.wait(seconds)
            with pytest.raises(RemoteDisconnected):
                await vm.ask(COMPUTE)
        vm.service.world.start(vm.service.machine, "responder")
        vm.clock.wait(60)
        assert (await vm.ask()).content == {"DocumentIncarnation": 4, "Events": []}

    play(story)


def test_an_acknowledgment_starts_what_it_names() -> None:
    """With the body that Microsoft documents; the answer is 200, without a body."""

    async def story(vm: Served) -> None:
        event_id = vm.service.announcements.announce(EventType.REDEPLOY, ["vm-1"], timedelta(minutes=10))
        body = sample("70_start_requests_body")
        body["StartRequests"][0]["EventId"] = event_id
        for _ in range(2):
            answer = await vm.ask(method="POST", body=body)
            assert (answer.status, answer.body) == (200, b"")
        assert (await vm.ask()).content["Events"][0]["EventStatus"] == "Started"

    play(story)


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"{",
        b"\xff",
        [],
        {},
        {"StartRequests": None},
        {"StartRequests": []},
        {"StartRequests": [{}]},
        {"StartRequests": [{"EventId": 3}]},
        {"StartRequests": ["x"]},
        {"StartRequests": [{"EventId": "there-is-no-such-event"}]},
    ],
)
def test_what_acknowledges_nothing_is_refused(body: object) -> None:
    """400, in a line that says what was expected; and nothing starts."""

    async def story(vm: Served) -> None:
        vm.service.announcements.evict("vm-1", LONGEST_NOTICE)
        answer = await vm.ask(method="POST", body=body)
        assert answer.status == 400
        assert "EventId" in answer.content["error"] or "there-is-no-such-event" in answer.content["error"]
        assert (await vm.ask()).content["Events"][0]["EventStatus"] == "Scheduled"

    play(story)


@pytest.mark.parametrize("path", [*PARTS.values(), COMPUTE, "/metadata/nothing"])
def test_who_does_not_say_metadata_is_refused(path: str) -> None:
    """Or came by way of a proxy: neither a redirect nor a forged request gets anything out of it."""

    async def story(vm: Served) -> None:
        forwarded = {"X-Forwarded-For": "10.0.0.1", **METADATA}
        for headers, said in (({}, "metadata header"), ({"Metadata": "yes"}, "metadata header"), (forwarded, "X-Forw")):
            answer = await vm.ask(path, headers=headers)
            assert answer.status == 400
            assert said in answer.body.decode()
        assert (await vm.ask(path, headers={"metadata": " TRUE "})).status in {200, 404}

    play(story)


def test_the_words_of_a_missing_header_for_a_token() -> None:
    """They are OAuth's."""

    async def story(vm: Served) -> None:
        assert (await vm.ask(IDENTITY, headers={})).content == {
            "error": "invalid_request",
            "error_description": "Required metadata header not specified",
        }

    play(story)


@pytest.mark.parametrize("path", PARTS.values())
@pytest.mark.parametrize("version", ["", "2017-03-01", "{latest}", "2020-13-01"])
def test_a_version_that_there_is_not_is_refused_as_documented(path: str, version: str) -> None:
    """400, with the newest versions; also where none is given."""

    async def story(vm: Served) -> None:
        before, _, rest = path.partition("api-version=")
        answer = await vm.ask(f"{before}api-version={version}{rest[10:]}")
        assert (answer.status, answer.content) == (400, sample("error_missing_api_version"))
        assert (await vm.ask(before.rstrip("?"))).content == sample("error_missing_api_version")

    play(story)


@pytest.mark.parametrize(("path", "before"), [(IDENTITY, "2017-12-01"), (LOAD_BALANCER, "2020-09-01")])
def test_a_part_that_came_later_is_not_in_older_versions(path: str, before: str) -> None:
    """Though instance metadata have that version."""

    async def story(vm: Served) -> None:
        start, _, rest = path.partition("api-version=")
        assert (await vm.ask(f"/metadata/instance?api-version={before}")).status == 200
        answer = await vm.ask(f"{start}api-version={before}{rest[10:]}")
        assert (answer.status, answer.content) == (400, sample("error_missing_api_version"))

    play(story)


def test_every_version_of_scheduled_events_is_answered() -> None:
    """The preview only where the VM has it: else 404, and the client falls back."""

    async def story(vm: Served) -> None:
        for version in VERSIONS:
            vm.clock.wait(1)
            assert (await vm.ask(f"/metadata/scheduledevents?api-version={version}")).status == 200
        vm.service.faults.has_preview = False
        vm.clock.wait(1)
        assert (await vm.ask(f"/metadata/scheduledevents?api-version={PREVIEW}")).status == 404
        assert (await vm.ask(EVENTS)).status == 200

    play(story)


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        (EVENTS, "PUT", "GET, POST"),
        (COMPUTE, "POST", "GET"),
        (IDENTITY, "DELETE", "GET"),
        (LOAD_BALANCER, "PUT", "GET"),
    ],
)
def test_other_verbs_are_refused(path: str, method: str, allowed: str) -> None:
    """405, and what is allowed."""

    async def story(vm: Served) -> None:
        answer = await vm.ask(path, method=method)
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)

    play(story)


def test_a_vm_reads_about_itself() -> None:
    """Every value is a text, as in the specification's sample; and they are those that ARM shows."""

    async def story(vm: Served) -> None:
        told = (await vm.ask("/metadata/instance?api-version=2021-11-15")).content["compute"]
        theirs = sample("instance_compute_spot_2021-11-15")["compute"]
        assert_same_shape(theirs | {"tagsList": theirs["tagsList"][:1]}, told)
        machine = vm.service.machine
        assert told["resourceId"] == machine.vm_id
        assert told["vmId"] == machine.unique_id
        assert (told["priority"], told["evictionPolicy"], told["zone"]) == ("Spot", "deallocate", "2")
        assert (told["tags"], told["tagsList"]) == ("restart:true", [{"name": "restart", "value": "true"}])
        assert (told["virtualMachineScaleSet"], told["vmScaleSetName"]) == ({"id": ""}, "")
        assert (await vm.ask("/metadata/instance/compute?api-version=2021-11-15")).content == told

    play(story)


@pytest.mark.parametrize(
    ("version", "field"),
    [
        ("2017-08-01", "resourceGroupName"),
        ("2019-03-11", "resourceId"),
        ("2019-06-04", "tagsList"),
        ("2020-12-01", "priority"),
        ("2020-12-01", "evictionPolicy"),
        ("2021-03-01", "virtualMachineScaleSet"),
    ],
)
def test_older_versions_know_less(version: str, field: str) -> None:
    """A field is there from its version on."""

    async def story(vm: Served) -> None:
        from localazure.guests.instance_metadata import VERSIONS as ALL  # noqa: PLC0415 - another VERSIONS than above

        before = ALL[ALL.index(version) - 1]
        assert field in (await vm.ask(f"/metadata/instance/compute?api-version={version}")).content
        assert field not in (await vm.ask(f"/metadata/instance/compute?api-version={before}")).content

    play(story)


def test_a_scale_sets_vm_reads_its_set_and_its_siblings_events() -> None:
    """The events name it as its instance metadata do: ``{set}_{id}``."""
    world = World(START)
    scale_set = world.add_scale_set("workers", restore_policy=False)
    for number in range(2):
        world.add_vm(f"workers_{number}", scale_set_id=scale_set, priority="Regular")

    async def story(vm: Served) -> None:
        told = (await vm.ask("/metadata/instance/compute?api-version=2021-03-01")).content
        assert (told["name"], told["vmScaleSetName"]) == ("workers_0", "workers")
        assert (told["priority"], told["evictionPolicy"]) == ("Regular", "")
        assert told["virtualMachineScaleSet"] == {"id": scale_set}
        vm.service.announcements.announce(EventType.REBOOT, ["workers_1"], timedelta(minutes=15))
        assert (await vm.ask()).content["Events"][0]["Resources"] == ["workers_1"]

    play(story, world, "workers_0")


def test_a_token_is_one_that_the_laptops_services_take() -> None:
    """In the shape that Microsoft documents, numbers as texts; for the VM's own identity, or the one that is named."""

    async def story(vm: Served) -> None:
        for query, principal in (("", "vm-1"), ("&client_id=a-client-id", "an-identity")):
            told = (await vm.ask(IDENTITY + query)).content
            assert_same_shape(sample("identity_token_response"), told)
            issuer = TokenIssuer(ISSUER_KEY, Clock())
            assert issuer.principal_of(told["access_token"], "https://storage.azure.com") == principal
            assert int(told["expires_on"]) - int(told["not_before"]) == int(told["expires_in"]) == 24 * 3600

    play(story)


def test_microsofts_own_client_gets_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a VM: it knows no more than where the service is."""
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)

    async def story(vm: Served) -> None:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", vm.service.url)
        credential = ManagedIdentityCredential()
        token = await asyncio.to_thread(credential.get_token, "https://storage.azure.com/.default")
        assert TokenIssuer(ISSUER_KEY, Clock()).principal_of(token.token, "https://storage.azure.com") == "vm-1"
        nobody = ManagedIdentityCredential(client_id="nobody")
        with pytest.raises(ClientAuthenticationError, match="Identity not found"):
            await asyncio.to_thread(nobody.get_token, "https://storage.azure.com/.default")

    play(story)


@pytest.mark.parametrize(
    ("query", "said"),
    [("&client_id=nobody", "Identity not found"), ("&resource=", "resource is missing")],
)
def test_no_token_for_whom_there_is_not(query: str, said: str) -> None:
    """In the words that are reported of Azure."""

    async def story(vm: Served) -> None:
        path = IDENTITY.partition("&")[0] + query if "resource" in query else IDENTITY + query
        answer = await vm.ask(path)
        assert answer.status == 400
        assert answer.content == {"error": "invalid_request", "error_description": said}

    play(story)


def test_a_vm_behind_a_load_balancer_reads_the_rules() -> None:
    """With numbers for ports, unlike elsewhere; without a load balancer it is told so."""

    async def story(vm: Served) -> None:
        nothing = await vm.ask(LOAD_BALANCER)
        assert nothing.status == 404
        assert nothing.content["error"].startswith("No load balancer metadata is found.")
        vm.service.rules = (InboundRule(80, 8080),)
        told = (await vm.ask(LOAD_BALANCER)).content
        (collected, _) = sample("loadbalancer_2020-10-01")["loadbalancer"]["inboundRules"]
        (rule,) = told["loadbalancer"]["inboundRules"]
        assert_same_shape(collected, rule)
        assert (rule["frontendPort"], rule["backendPort"]) == (80, 8080)

    play(story)


def test_the_sixth_request_in_a_second_is_refused() -> None:
    """All programs in the VM share five; tokens have twenty of their own."""

    async def story(vm: Served) -> None:
        statuses = [(await vm.ask()).status for _ in range(6)]
        tokens = [(await vm.ask(IDENTITY)).status for _ in range(21)]
        assert (statuses, tokens) == ([200] * 5 + [429], [200] * 20 + [429])
        vm.clock.wait(1)
        assert (await vm.ask()).status == 200

    play(story)


@pytest.mark.parametrize("part", Category)
@pytest.mark.parametrize(
    "trouble", [one for one in Trouble if one.value.isdigit()], ids=lambda trouble: str(trouble.value)
)
def test_each_error_is_seen_in_its_part_alone(part: Category, trouble: Trouble) -> None:
    """With its status; the other parts answer."""

    async def story(vm: Served) -> None:
        vm.service.rules = (InboundRule(80, 8080),)
        vm.service.faults.trouble[part] = trouble
        statuses = {one: (await vm.ask(path)).status for one, path in PARTS.items()}
        assert statuses == dict.fromkeys(Category, 200) | {part: int(trouble)}
        vm.service.faults.all_parts(None)
        assert (await vm.ask(PARTS[part])).status == 200

    play(story)


def test_silence() -> None:
    """The connection is taken, and nothing comes, however long one waits."""

    async def story(vm: Served) -> None:
        vm.service.faults.all_parts(Trouble.SILENCE)
        with pytest.raises(TimeoutError):
            await vm.ask(patience_s=0.3)

    play(story)


def test_the_connection_is_reset() -> None:
    """Without an answer."""

    async def story(vm: Served) -> None:
        vm.service.faults.all_parts(Trouble.RESET)
        with pytest.raises((RemoteDisconnected, ConnectionResetError)):
            await vm.ask()

    play(story)


def test_half_an_answer() -> None:
    """The length of the whole is promised, and half of it comes."""

    async def story(vm: Served) -> None:
        whole = (await vm.ask(COMPUTE)).body
        vm.service.faults.all_parts(Trouble.HALF)
        with pytest.raises(IncompleteRead) as cut_off:
            await vm.ask(COMPUTE)
        assert cut_off.value.partial == whole[: len(whole) // 2]

    play(story)


@pytest.mark.parametrize("trouble", [Trouble.RUBBISH, Trouble.EMPTY])
def test_what_is_no_json(trouble: Trouble) -> None:
    """With 200, as if it were an answer."""

    async def story(vm: Served) -> None:
        vm.service.faults.all_parts(trouble)
        answer = await vm.ask()
        assert answer.status == 200
        with pytest.raises(ValueError, match="Expecting value"):
            _ = answer.content

    play(story)


def test_the_first_question_of_a_boot_is_answered_late() -> None:
    """Also who asks again meanwhile has to wait until then; the other parts answer, and later questions at once."""

    async def story(vm: Served) -> None:
        vm.service.faults.first_call_takes = timedelta(minutes=2)
        with pytest.raises(TimeoutError):
            await vm.ask(patience_s=0.2)
        assert (await vm.ask(COMPUTE)).status == 200
        vm.clock.wait(119)
        second = asyncio.create_task(vm.ask())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(second), 0.2)
        vm.clock.wait(1)
        assert (await second).status == 200
        assert (await vm.ask(patience_s=1)).status == 200
        # What was switched on is switched off by the next boot.
        vm.service.world.stop_by_owner("vm-1")
        vm.clock.wait(60)
        vm.service.catch_up()
        vm.service.world.start(vm.service.machine, OWNER)
        vm.clock.wait(60)
        with pytest.raises(TimeoutError):
            await vm.ask(patience_s=0.2)

    play(story)


def test_a_vm_that_goes_down_is_not_answered_any_more() -> None:
    """Not even what it asked before: the first answer after a boot may come too late."""

    async def story(vm: Served) -> None:
        vm.service.faults.first_call_takes = timedelta(minutes=2)
        waiting = asyncio.create_task(vm.ask())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.2)
        vm.service.announcements.evict("vm-1", None)
        with pytest.raises(RemoteDisconnected):
            await waiting

    play(story)


@pytest.mark.parametrize("minutes", [-5, 5])
def test_clocks_may_differ_by_minutes(minutes: int) -> None:
    """All times that the service tells are Azure's; the token is as good as before."""

    async def story(vm: Served) -> None:
        vm.service.faults.ahead = timedelta(minutes=minutes)
        vm.service.announcements.evict("vm-1", LONGEST_NOTICE)
        answer = await vm.ask()
        (event,) = answer.content["Events"]
        ahead = timedelta(minutes=minutes)
        assert parsedate_to_datetime(event["NotBefore"]) == START + LONGEST_NOTICE.lead + ahead
        assert parsedate_to_datetime(answer.headers["Date"]) == START.replace(microsecond=0) + ahead
        token = (await vm.ask(IDENTITY)).content
        assert int(token["not_before"]) == int((START + ahead).timestamp())
        assert TokenIssuer(ISSUER_KEY, Clock()).principal_of(token["access_token"]) == "vm-1"

    play(story)
