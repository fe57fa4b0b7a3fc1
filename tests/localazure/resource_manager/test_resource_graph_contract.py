"""Resource Graph's front, held against our copies of Azure's answers and against Microsoft's own SDK."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.resourcegraph.aio import ResourceGraphClient
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

from localazure.resource_manager.roles import Role
from localazure.world.world import World
from tests.harness.fronts import GRAPH, START, VM1, Credential, assert_like_sample, assert_same_shape, payload, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.harness.fronts import Front

QUERIES = Path(__file__).resolve().parents[3] / "queries"
POWER = (
    "resources | where type =~ 'microsoft.compute/virtualmachines' | order by name asc "
    "| project id, name, power = tostring(properties.extended.instanceView.powerState.code)"
)


def play(
    folder: Path,
    story: Callable[[Front], Awaitable[None]],
    world: World | None = None,
    roles: dict[str, Role] | None = None,
) -> None:
    """Serve a world and play a story in it."""

    async def whole() -> None:
        async with serve(folder, world=world, roles=roles) as front:
            await story(front)

    asyncio.run(whole())


async def powers(front: Front) -> dict[str, str]:
    """Ask the graph for the power states."""
    answer = await front.query(POWER)
    return {row["name"]: row["power"] for row in answer.body["data"]}


def test_rows_are_shaped_as_azures(tmp_path: Path) -> None:
    """Every column of Azure's is there, and dynamic ones are JSON objects."""

    async def story(front: Front) -> None:
        answer = await front.query("Resources | where type =~ 'Microsoft.Compute/virtualMachines'")
        sample = assert_like_sample("graph_object_array", answer)
        assert answer.body["data"][0].keys() == sample["body"]["data"][0].keys()
        assert answer.body["data"][0]["tags"] == {"restart": "true"}
        assert answer.headers["x-ms-user-quota-remaining"] == "14"
        assert answer.headers["x-ms-user-quota-resets-after"] == "00:00:05"

    play(tmp_path, story)


def test_resource_groups_are_in_lower_case(tmp_path: Path) -> None:
    """The column is lower-cased, as Azure's is; the id keeps its casing."""

    async def story(front: Front) -> None:
        front.world.add_vm("vm2", resource_group="RG-Upper")
        (row,) = (await front.query("resources | where name == 'vm2'")).body["data"]
        assert row["resourceGroup"] == "rg-upper"
        assert "/resourceGroups/RG-Upper/" in row["id"]

    play(tmp_path, story)


def test_a_query_goes_by_the_worlds_time(tmp_path: Path) -> None:
    """What now() and ago() mean in a query is the time of the world, not of the machine."""

    async def story(front: Front) -> None:
        answer = await front.query("resources | project now = now(), before = ago(1h)")
        assert answer.body["data"] == [
            {"now": "2025-11-16T23:19:30.0000000Z", "before": "2025-11-16T22:19:30.0000000Z"}
        ]

    play(tmp_path, story)


def test_table_format(tmp_path: Path) -> None:
    """Rows come as lists beside their columns where asked."""

    async def story(front: Front) -> None:
        answer = await front.query("resources | project name, location", resultFormat="table")
        sample = assert_like_sample("graph_table", answer)
        assert answer.body["data"] == sample["body"]["data"]

    play(tmp_path, story)


def test_only_the_newest_annotation_is_there(tmp_path: Path) -> None:
    """The annotation of an eviction is there until a start puts its own in its place."""
    newest = "healthresources | where type =~ 'microsoft.resourcehealth/resourceannotations'"

    async def story(front: Front) -> None:
        assert (await front.query(newest)).body["data"] == []
        front.world.evict("vm1")
        rows = (await front.query(newest)).body["data"]
        sample = payload("graph_annotation_row")["body"]
        assert_same_shape(sample, rows[0])
        assert {key: rows[0][key] for key in sample} == sample
        front.clock.wait(60)
        await front.ask("POST", f"{VM1}/start")
        front.clock.wait(60)
        rows = (await front.query(newest)).body["data"]
        assert [row["properties"]["annotationName"] for row in rows] == ["VirtualMachineAllocated"]

    play(tmp_path, story)


def test_availability_is_there(tmp_path: Path) -> None:
    """The availability of an evicted VM is Unavailable."""

    async def story(front: Front) -> None:
        front.world.evict("vm1")
        front.clock.wait(60)
        query = "healthresources | where type =~ 'microsoft.resourcehealth/availabilitystatuses'"
        row = (await front.query(query)).body["data"][0]
        assert row["properties"]["availabilityState"] == "Unavailable"
        assert row["properties"]["previousAvailabilityState"] == "Available"

    play(tmp_path, story)


def test_the_graph_may_lag(tmp_path: Path) -> None:
    """With a lag the whole graph shows the world as it was."""

    async def story(front: Front) -> None:
        front.graph.lag = timedelta(seconds=30)
        front.world.evict("vm1")
        front.clock.wait(20)
        assert await powers(front) == {"vm1": "PowerState/running"}
        front.clock.wait(30)
        assert await powers(front) == {"vm1": "PowerState/deallocated"}

    play(tmp_path, story)


def test_one_vm_may_be_frozen(tmp_path: Path) -> None:
    """A frozen VM goes on as it was, the others do not, until it is thawed."""

    async def story(front: Front) -> None:
        front.world.add_vm("vm2")
        front.graph.freeze("vm1")
        front.world.evict("vm1")
        front.world.evict("vm2")
        front.clock.wait(60)
        assert await powers(front) == {"vm1": "PowerState/running", "vm2": "PowerState/deallocated"}
        front.graph.thaw("vm1")
        assert await powers(front) == {"vm1": "PowerState/deallocated", "vm2": "PowerState/deallocated"}

    play(tmp_path, story)


def test_what_is_gone_is_not_shown(tmp_path: Path) -> None:
    """A deleted VM has no row, in neither table."""

    async def story(front: Front) -> None:
        front.world.delete("vm1")
        assert (await front.query("resources")).body["data"] == []
        assert (await front.query("healthresources")).body["data"] == []

    play(tmp_path, story)


def test_the_sixteenth_query_is_refused(tmp_path: Path) -> None:
    """Fifteen queries in five seconds go through; the next is refused as Azure does it."""

    async def story(front: Front) -> None:
        for _ in range(15):
            assert (await front.query("resources | take 1")).status == 200
        refused = await front.query("resources | take 1")
        sample = assert_like_sample("graph_429", refused)
        assert refused.body == sample["body"]
        assert (refused.headers["x-ms-user-quota-remaining"], "Retry-After" in refused.headers) == ("0", False)
        front.clock.wait(5)
        assert (await front.query("resources | take 1")).status == 200

    play(tmp_path, story)


@pytest.mark.parametrize(
    "kql",
    [
        "resources | wher x",
        "nowhere | take 1",
        "resources | where foo == 1",
        "",
        ".drop table resources",
        "resources | where name has",
    ],
)
def test_bad_kql_is_a_bad_request(tmp_path: Path, kql: str) -> None:
    """What cannot be read or found is refused with what was wrong, and the tables stay."""

    async def story(front: Front) -> None:
        answer = await front.query(kql)
        assert (answer.status, answer.body["error"]["code"]) == (400, "BadRequest")
        assert answer.body["error"]["details"][0]["code"] == "InvalidQuery"
        assert (await front.query("resources | count")).body["data"] == [{"Count": 1}]

    play(tmp_path, story)


@pytest.mark.parametrize("options", [{"top": 0}, {"top": 1001}, {"top": "x"}, {"skip": -1}, {"skipToken": "rubbish"}])
def test_bad_options_are_a_bad_request(tmp_path: Path, options: dict[str, Any]) -> None:
    """Page sizes and tokens that cannot be are refused."""

    async def story(front: Front) -> None:
        assert (await front.query("resources | project id", **options)).status == 400

    play(tmp_path, story)


def test_the_media_type_must_be_json(tmp_path: Path) -> None:
    """Anything else is answered with 500, as documented; rubbish in JSON's name with 400."""

    async def story(front: Front) -> None:
        address = f"{front.url}{GRAPH}?api-version=2024-04-01"
        headers = {"Authorization": "Bearer token-of-responder", "Content-Type": "text/plain"}
        async with front.session.post(address, data="{}", headers=headers) as plain:
            assert plain.status == 500
        async with front.session.post(address, data="{", headers=headers | {"Content-Type": "application/json"}) as cut:
            assert cut.status == 400

    play(tmp_path, story)


def test_rows_that_may_not_be_read_are_left_out(tmp_path: Path) -> None:
    """A principal sees the types its role can read, and is refused where there are none."""
    roles = {"responder": Role("r", ("Microsoft.ResourceHealth/*/read",)), "stranger": Role("s", ())}

    async def story(front: Front) -> None:
        assert (await front.query("resources")).body["data"] == []
        assert len((await front.query("healthresources")).body["data"]) == 1
        refused = await front.query("resources", who="stranger")
        assert (refused.status, refused.body["error"]["code"]) == (403, "AuthorizationFailed")

    play(tmp_path, story, roles=roles)


@pytest.mark.parametrize(
    ("action", "shown"),
    [
        ("Microsoft.ResourceHealth/*/read", {"resourceannotations", "availabilitystatuses"}),
        ("Microsoft.ResourceHealth/availabilityStatuses/read", {"availabilitystatuses"}),
        ("Microsoft.ResourceHealth/resourceAnnotations/read", {"resourceannotations"}),
        ("Microsoft.ResourceHealth/events/read", set()),
        ("*/read", {"resourceannotations", "availabilitystatuses"}),
    ],
)
def test_rows_of_each_health_type_need_a_right_that_covers_it(tmp_path: Path, action: str, shown: set[str]) -> None:
    """An annotation is not an availability status: who may read one sees nothing of the other, and gets no error."""
    roles = {"responder": Role("r", ("Microsoft.Compute/virtualMachines/read", action))}

    async def story(front: Front) -> None:
        front.access.world.evict("vm1")
        rows = (await front.query("healthresources | project type")).body["data"]
        assert {row["type"].rpartition("/")[2] for row in rows} == shown

    play(tmp_path, story, roles=roles)


def test_only_the_subscriptions_asked_for(tmp_path: Path) -> None:
    """The list of subscriptions narrows the rows; without one all are shown."""

    async def story(front: Front) -> None:
        front.world.add_vm("vm2", subscription_id="22222222-2222-4222-8222-222222222222")
        body = {"query": POWER, "subscriptions": ["22222222-2222-4222-8222-222222222222"]}
        answer = await front.ask("POST", GRAPH, body=body, version="2021-03-01")
        assert [row["name"] for row in answer.body["data"]] == ["vm2"]
        assert set(await powers(front)) == {"vm1", "vm2"}

    play(tmp_path, story)


def test_without_an_id_there_is_no_next_page(tmp_path: Path) -> None:
    """A query that projects no id is cut off, and says so in a text."""

    async def story(front: Front) -> None:
        front.world.add_vm("vm2")
        cut = (await front.query("resources | project name", top=1)).body
        assert (cut["resultTruncated"], "$skipToken" in cut, cut["totalRecords"], cut["count"]) == ("true", False, 2, 1)
        paged = (await front.query("resources | project id", top=1)).body
        assert (paged["resultTruncated"], "$skipToken" in paged) == ("false", True)
        other = await front.query("resources | project id, name", top=1, skipToken=paged["$skipToken"])
        assert other.status == 400

    play(tmp_path, story)


def test_the_products_queries_run(tmp_path: Path) -> None:
    """The queries that are deployed find the evicted VM, its annotation and its scale set's policy."""
    world = World(START)
    scale_set = world.add_scale_set("set1", restore_policy=True)
    world.add_vm("vm1", resource_group="rg1", tags={"restart": "true"}, scale_set_id=scale_set, zone="1")
    world.add_vm("vm2", resource_group="rg1")

    async def story(front: Front) -> None:
        front.world.evict("vm1")
        front.clock.wait(60)
        confirm = (QUERIES / "confirm.kql").read_text(encoding="utf-8").replace("'{vm_ids}'", f"'{VM1.upper()}'")
        (row,) = (await front.query(confirm)).body["data"]
        assert row["id"] == VM1
        assert (row["powerState"], row["annotation"]) == ("PowerState/deallocated", "VirtualMachinePreempted")
        assert (row["restoredByScaleSet"], row["zones"], row["maxPrice"]) == (True, ["1"], -1.0)
        sweep = (QUERIES / "sweep.kql").read_text(encoding="utf-8").replace("{restart_tag}", "RESTART")
        assert [one["id"] for one in (await front.query(sweep)).body["data"]] == [VM1]

    play(tmp_path, story, world=world)


@asynccontextmanager
async def graph_client(front: Front) -> AsyncIterator[ResourceGraphClient]:
    """Make Microsoft's client for this front."""
    client = ResourceGraphClient(
        Credential("responder"),
        base_url=front.url,
        credential_scopes=["https://management.azure.com/.default"],
        connection_verify=front.ca_file,
        retry_total=0,
    )
    async with client:
        yield client


def test_the_sdk_pages_through_2500_rows(tmp_path: Path) -> None:
    """Microsoft's client gets every VM once, in three pages."""
    world = World(START)
    for number in range(2500):
        world.add_vm(f"vm{number:04d}")

    async def story(front: Front) -> None:
        found, pages = list[str](), 0
        token: str | None = None
        async with graph_client(front) as client:
            while pages == 0 or token:
                options = QueryRequestOptions(top=1000, skip_token=token)
                answer = await client.resources(QueryRequest(query=POWER, options=options))
                found += [row["name"] for row in cast("list[dict[str, str]]", answer.data)]
                token, pages = answer.skip_token, pages + 1
        assert pages == 3
        assert found == [f"vm{number:04d}" for number in range(2500)]

    play(tmp_path, story, world=world)


def test_the_sdk_reads_refusals(tmp_path: Path) -> None:
    """Bad KQL and too many queries come out of Microsoft's client with Azure's codes."""

    async def story(front: Front) -> None:
        async with graph_client(front) as client:
            with pytest.raises(HttpResponseError, match="BadRequest"):
                await client.resources(QueryRequest(query="resources | wher x"))
            for _ in range(14):
                await client.resources(QueryRequest(query="resources | take 1"))
            with pytest.raises(HttpResponseError, match="RateLimiting") as refused:
                await client.resources(QueryRequest(query="resources | take 1"))
        assert refused.value.status_code == 429
        response = cast("Any", refused.value.response)
        assert response.headers["x-ms-user-quota-resets-after"] == "00:00:05"

    play(tmp_path, story)
