"""The worker stops its own VM when it has nothing to do, and only then."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from spot_worker.__main__ import main
from spot_worker.deciding.names import places
from spot_worker.deciding.rows import Doing
from spot_worker.deciding.stops.own_stop import WINDOW_S, OwnStop
from spot_worker.deciding.times import iso
from spot_worker.edges.azure_errors import Threads
from spot_worker.edges.own_vm import AzureOwnVm, why_never
from spot_worker.running.ports import StorageError
from spot_worker.running.settings import Settings
from spot_worker.running.stops.own_stop import OwnStopRefusedError, stop_vm
from spot_worker.running.stops.stopping import Stopping, Why
from workbench.jumping import VirtualClock, at_once
from workbench.virtual import QUEUE, Outside, VirtualLog
from workbench.virtual_child import lasting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workbench.real_worker import Bench

VM_ID = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm-1"


async def stopped_at(outside: Outside, rule: OwnStop, *, submit_at: float | None = None) -> tuple[float, Why | None]:
    """Let a worker work until it wants its VM stopped; give when that was, and why it ended."""
    if submit_at is not None:
        asyncio.get_running_loop().call_later(submit_at, outside.submit)
    stopping = await outside.works(once=False, own_stop=rule)
    return asyncio.get_running_loop().time(), stopping.why


def test_a_worker_without_a_job_stops_its_vm_after_its_idle_time() -> None:
    """Idle since the beginning: after five minutes it is seen so, and once more ten seconds later."""
    at, why = at_once(stopped_at(Outside(lasting(1)), OwnStop(300, 0)))
    assert why is Why.OWN_STOP
    assert at == pytest.approx(300 + WINDOW_S, abs=10)


def test_idle_zero_is_at_once_and_not_never() -> None:
    """bk#1000: ``ScaleInIdlePeriod=0`` meant never, and 60 machines idled for a day."""
    at, _ = at_once(stopped_at(Outside(lasting(1)), OwnStop(0, 0)))
    assert at <= WINDOW_S + 10


def test_it_is_up_for_its_minimum_time() -> None:
    """Jenkins azure-vm-agents#247: started, idle before the work came, stopped, started, …."""
    at, _ = at_once(stopped_at(Outside(lasting(1)), OwnStop(0, 600)))
    assert at >= 600 + WINDOW_S


def test_a_busy_worker_does_not_stop_its_vm() -> None:
    """A job of an hour, and five minutes of idleness: it is counted from the job's end."""
    at, _ = at_once(stopped_at(Outside(lasting(3600)), OwnStop(300, 0), submit_at=100))
    assert at >= 100 + 3600 + 300


def test_a_job_between_the_two_looks_begins_the_idle_time_anew() -> None:
    """ghr#5085: a job arrived two seconds before the pass; idleness must be seen twice, a window apart."""
    at, _ = at_once(stopped_at(Outside(lasting(1)), OwnStop(300, 0), submit_at=300 + WINDOW_S / 2))
    assert at >= 600


def test_its_rows_say_that_it_stops() -> None:
    """Before its end."""
    outside = Outside(lasting(1))
    at_once(stopped_at(outside, OwnStop(0, 0)))
    assert outside.rows[-1]["state"] == Doing.STOPPING.value


@dataclass
class FakeVm:
    """A VM, and what happens when it is to be stopped."""

    others: list[str] = field(default_factory=list)
    comes_meanwhile: str = ""
    message: bool = False
    says: Exception | None = None
    refuses: Exception | None = None
    done: list[str] = field(default_factory=list)

    async def other_workers(self) -> list[str]:
        """Name them."""
        return self.others

    async def say_stopping(self) -> None:
        """Write it, or fail."""
        self.done.append("said")
        if self.says:
            raise self.says

    async def has_message(self) -> bool:
        """Look."""
        self.done.append("looked")
        self.others += [self.comes_meanwhile] if self.comes_meanwhile else []
        return self.message

    async def deallocate(self) -> None:
        """Do it, or not."""
        self.done.append("deallocated")
        if self.refuses:
            raise self.refuses


def stop(vm: FakeVm) -> tuple[bool, list[dict[str, Any]]]:
    """Stop the VM; give whether it is worth asking again soon, and what was logged."""
    log = VirtualLog()

    async def story() -> bool:
        return await stop_vm(vm, Stopping(VirtualClock()), log)

    return at_once(story()), log.lines


def test_it_says_so_looks_once_more_and_then_deallocates_its_vm() -> None:
    """In this order; a VM that lives on ten minutes later is told of."""
    vm = FakeVm()
    asks_again, lines = stop(vm)
    assert vm.done == ["said", "looked", "deallocated"]
    assert not asks_again
    assert "it still runs 600 s after" in lines[-1]["error"]


def test_a_message_that_came_meanwhile_is_worked_on() -> None:
    """Nothing is deallocated; the worker begins anew."""
    vm = FakeVm(message=True)
    assert stop(vm)[0]
    assert "deallocated" not in vm.done


def test_a_worker_that_begins_meanwhile_keeps_its_vm() -> None:
    """So right after the VM's boot: one queue is empty, and the worker of the other has just claimed its first job."""
    vm = FakeVm(comes_meanwhile="films vm-1:0")
    assert not stop(vm)[0]
    assert vm.done == ["said", "looked"]


def test_a_vm_with_another_worker_is_not_stopped() -> None:
    """That may have a job: two queues over one VM."""
    vm = FakeVm(others=["films vm-1:0"])
    _, lines = stop(vm)
    assert vm.done == []
    assert "films vm-1:0" in lines[-1]["why"]


@pytest.mark.parametrize("vm", [FakeVm(says=StorageError("no")), FakeVm(refuses=OwnStopRefusedError("no"))])
def test_what_is_refused_is_said(vm: FakeVm) -> None:
    """A row that cannot be written keeps the VM up: without it, the stop would be taken for its owner's."""
    asks_again, lines = stop(vm)
    assert not asks_again
    assert lines[-1] == {"event": "VM not stopped", "error": "no"}
    assert ("deallocated" in vm.done) == (vm.refuses is not None)


class _Azure(BaseHTTPRequestHandler):
    """The metadata service and Azure Resource Manager."""

    asked: list[tuple[str, str, str | None]]
    status = 202
    metadata_status = 200
    disk = ""
    name: str | None = None
    events_status = 200

    def do_GET(self) -> None:
        self.asked.append(("GET", self.path.split("?")[0], self.headers["Metadata"]))
        if "scheduledevents" in self.path:
            self._answer(self.events_status, {"DocumentIncarnation": 1, "Events": []})
            return
        disk = {"storageProfile": {"osDisk": {"diffDiskSettings": {"option": self.disk}}}}
        resource = parse_qs(urlsplit(self.path).query).get("resource", [""])[0]
        token = {"access_token": f"token-for-{resource}"}
        self._answer(
            self.metadata_status, token if "oauth2" in self.path else {"resourceId": VM_ID, "name": self.name} | disk
        )

    def do_POST(self) -> None:
        self.asked.append(("POST", self.path, self.headers["Authorization"]))
        if not self.status:
            self.close_connection = True
            return
        self._answer(self.status, {} if self.status == 202 else {"error": {"code": "AuthorizationFailed"}})

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        written = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)


@pytest.fixture
def azure() -> Iterator[tuple[type[_Azure], str]]:
    """Run both at one address."""
    handler = type("Handler", (_Azure,), {"asked": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@dataclass
class FakeTable:
    """The table of workers."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def query_entities(self, condition: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        """Give the rows in a range."""
        assert condition == "RowKey ge @first and RowKey lt @last"
        return [row for row in self.rows if parameters["first"] <= row["RowKey"] < parameters["last"]]

    def upsert_entity(self, row: dict[str, Any], mode: object) -> None:
        """Write a row."""
        del mode
        self.rows.append(row)


def own_vm(address: str, table: FakeTable) -> AzureOwnVm:
    """Make the VM of a worker with two slots."""
    settings = Settings(places(QUEUE), "vm-1", "boot-1", slots=2)
    return AzureOwnVm(settings, None, table, address, address, Threads("test", 1))  # type: ignore[arg-type]


def test_the_vm_is_deallocated_by_its_own_identity(azure: tuple[type[_Azure], str]) -> None:
    """What the metadata service says is its id, with a token of its own, for the Resource Manager that is asked."""
    handler, address = azure
    asyncio.run(own_vm(address, FakeTable()).deallocate())
    assert handler.asked == [
        ("GET", "/metadata/instance/compute", "true"),
        ("GET", "/metadata/identity/oauth2/token", "true"),
        ("POST", f"{VM_ID}/deallocate?api-version=2024-07-01", f"Bearer token-for-{address}/"),
    ]


def test_a_refusal_says_which_right_is_missing(azure: tuple[type[_Azure], str]) -> None:
    """And where to read on."""
    handler, address = azure
    handler.status = 403
    with pytest.raises(OwnStopRefusedError, match=r"403 AuthorizationFailed.*deallocate/action.*work-queues"):
        asyncio.run(own_vm(address, FakeTable()).deallocate())


def test_no_answer_to_the_deallocation_is_taken_for_a_yes(azure: tuple[type[_Azure], str]) -> None:
    """The worker waits for its VM's end: going on, it would write that it is idle, over the word that it stops."""
    handler, address = azure
    handler.status = 0
    asyncio.run(own_vm(address, FakeTable()).deallocate())
    assert handler.asked[-1][0] == "POST"


def test_each_slot_writes_that_its_vm_stops() -> None:
    """With ``stops_vm``, which says that it is not evicted, nor stopped by its owner."""
    table = FakeTable()
    asyncio.run(own_vm("", table).say_stopping())
    assert [(row["RowKey"], row["state"], row["stops_vm"]) for row in table.rows] == [
        ("vm-1:0", "stopping", True),
        ("vm-1:1", "stopping", True),
    ]


def test_other_workers_of_this_vm_are_those_that_wrote_of_late() -> None:
    """Not its own slots, not those of other VMs, not a worker of last week."""
    now = iso(datetime.now(timezone.utc))
    rows = [(QUEUE, "vm-1:0", now), ("films", "vm-1:0", now), ("films", "vm-1:1", "2026-01-01T00:00:00.000Z")]
    rows += [("films", "vm-10:0", now), ("films", "vm-1:odd", "")]
    table = FakeTable([{"PartitionKey": queue, "RowKey": key, "renewed_at": at} for queue, key, at in rows])
    assert asyncio.run(own_vm("", table).other_workers()) == ["films vm-1:0", "films vm-1:odd"]


def test_a_slot_that_wrote_that_it_stops_is_no_other_worker_unless_it_still_has_a_job() -> None:
    """A worker was ended a minute ago, or has fewer slots than before: the VM need not stay up for that."""
    now = iso(datetime.now(timezone.utc))
    rows = [("vm-1:2", "stopping", ""), ("vm-1:3", "stopping", "job-1"), ("vm-1:4", "idle", ""), ("vm-1:5", "new", "")]
    table = FakeTable(
        [
            {"PartitionKey": QUEUE, "RowKey": key, "state": state, "job_id": job, "renewed_at": now}
            for key, state, job in rows
        ]
    )
    others = asyncio.run(own_vm("", table).other_workers())
    assert others == [f"{QUEUE} vm-1:3", f"{QUEUE} vm-1:4", f"{QUEUE} vm-1:5"]


def test_what_is_no_azure_vm_cannot_be_told_to_stop_itself(
    azure: tuple[type[_Azure], str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A laptop, or a proxy that answers in place of the metadata service: that is said, and not "403" alone."""
    handler, address = azure
    handler.metadata_status = 403
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true")
    run = ["run", "json:loads", "--queue", QUEUE, "--stop-vm-after-idle", "5", "--imds", address]
    assert main([*run, "--state", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "--stop-vm-after-idle needs an Azure VM" in told
    assert "403" in told


def test_an_ephemeral_disk_is_refused_with_the_reason(
    azure: tuple[type[_Azure], str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """At the start, and not when there is nothing to do."""
    handler, address = azure
    handler.disk = "Local"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true")
    assert why_never({}) is None
    run = ["run", "json:loads", "--queue", QUEUE, "--stop-vm-after-idle", "5", "--imds", address]
    assert main([*run, "--state", str(tmp_path)]) == 2
    assert "has an ephemeral OS disk" in capsys.readouterr().err


def test_its_row_has_the_name_by_which_azure_knows_the_vm_though_the_notices_do_not_come(
    azure: tuple[type[_Azure], str], bench: Bench
) -> None:
    """The metadata service is busy with another question at first: under the host's name nobody would find the row."""
    handler, address = azure
    handler.name, handler.events_status = "render-7", 500
    bench.submit("named", 1)
    worker = bench.run("quick", "named", "--once", "--stop-vm-after-idle", "5", "--imds", address)
    assert worker.ended() == 0
    rows = bench.storage.tables.get_table_client("workers").query_entities("PartitionKey eq 'named'")
    assert [row["RowKey"].split(":")[0] for row in rows] == ["render-7"]
