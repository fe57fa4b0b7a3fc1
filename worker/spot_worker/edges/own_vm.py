"""The VM itself: what the metadata service says of it, and its deallocation by its own identity.

The identity must be the VM's system-assigned one: its right, ``deallocate/action`` and ``read`` at this VM, ends at
itself, and the responder knows by it that the VM's owner did not stop the VM. Only the standard library is used: the
client for Compute is large.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from azure.data.tables import UpdateMode

from spot_worker.deciding.rows import Doing, SlotState, slot_label, slot_row
from spot_worker.deciding.times import iso, read_iso
from spot_worker.running.stops.own_stop import OwnStopRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.data.tables import TableClient
    from azure.storage.queue import QueueClient

    from spot_worker.edges.azure_errors import Threads
    from spot_worker.running.settings import Settings

_COMPUTE: Final = "/metadata/instance/compute?api-version=2021-02-01&format=json"
_TOKEN: Final = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource="  # noqa: S105 - an address
_API: Final = "2024-07-01"
_WITHIN_S: Final = 20.0
_LATELY: Final = timedelta(minutes=10)
"""So long after its last row another worker counts as running: an idle one writes each minute."""


@dataclass(frozen=True)
class AzureOwnVm:
    """The VM. ``imds``: the address of the metadata service, ``arm`` of Azure Resource Manager."""

    settings: Settings
    queue: QueueClient
    workers: TableClient
    imds: str
    arm: str
    threads: Threads

    async def other_workers(self) -> list[str]:
        """Name the other workers of this VM that have written of late: of this account, whatever their queue."""

        def ask() -> list[str]:
            # ``;`` follows ``:`` in ASCII: these are the rows whose key begins with the VM's name and a colon.
            names = {"first": f"{self.settings.vm}:", "last": f"{self.settings.vm};"}
            rows = self.workers.query_entities("RowKey ge @first and RowKey lt @last", parameters=names)
            ours = {(row["PartitionKey"], row["RowKey"]) for row in self._rows()}
            return [f"{row['PartitionKey']} {row['RowKey']}" for row in rows if _is_another(row, ours)]

        return await self.threads.call("to read the table of workers", ask)

    async def say_stopping(self) -> None:
        """Write that this VM is about to be stopped by its worker."""

        def put() -> None:
            for row in self._rows():
                self.workers.upsert_entity({**row, "stops_vm": True}, mode=UpdateMode.REPLACE)

        await self.threads.call("to write the table of workers", put)

    async def has_message(self) -> bool:
        """Whether the queue has a message that can be claimed; it is not taken."""
        return bool(await self.threads.call("to look at the queue", lambda: self.queue.peek_messages(1)))

    async def deallocate(self) -> None:
        """Ask Azure to deallocate this VM; no answer is taken for a yes. Raises ``OwnStopRefusedError``."""
        await self.threads.call("to deallocate this VM", self._deallocate)

    def _deallocate(self) -> None:
        vm_id = str(compute_of(self.imds).get("resourceId", ""))
        token = _metadata(self.imds, _TOKEN + quote(f"{self.arm}/", safe=""))["access_token"]
        url = f"{self.arm}{quote(vm_id)}/deallocate?api-version={_API}"
        request = urllib.request.Request(url, b"", {"Authorization": f"Bearer {token}"}, method="POST")  # noqa: S310 - ours
        try:
            with urllib.request.urlopen(request, timeout=_WITHIN_S):  # noqa: S310 - see above
                return
        except urllib.error.HTTPError as error:
            message = (
                f"Azure refused to deallocate {vm_id}: {error.code} {_code(error)}; its system-assigned identity needs "
                "Microsoft.Compute/virtualMachines/deallocate/action and read at this VM (docs/work-queues.md)"
            )
            raise OwnStopRefusedError(message) from error
        except OSError:
            # It may have been accepted. Whoever went on would write that it is idle, and its stop would be taken for
            # its owner's: the VM's end is waited for, as after an answer.
            return

    def _rows(self) -> list[dict[str, Any]]:
        settings, now = self.settings, iso(datetime.now(timezone.utc))
        where = settings.places.queue, settings.vm
        labels = [slot_label(settings.name, slot) for slot in range(settings.slots)]
        states = [
            SlotState(*where, label, settings.boot_id, Doing.STOPPING, "", "", now, settings.visibility_s)
            for label in labels
        ]
        return [dict(slot_row(state)) for state in states]


def why_never(compute: Mapping[str, Any]) -> str | None:
    """Say why a VM can never be deallocated, by what the metadata service says of it; ``None`` where it can."""
    settings = compute.get("storageProfile", {}).get("osDisk", {}).get("diffDiskSettings") or {}
    if str(settings.get("option", "")).lower() == "local":
        return "this VM has an ephemeral OS disk, and Azure deallocates no such VM: leave out --stop-vm-after-idle"
    return None


def compute_of(imds: str) -> dict[str, Any]:
    """Read what the metadata service says of this VM. Raises ``OwnStopRefusedError``."""
    return _metadata(imds, _COMPUTE)


def _metadata(imds: str, path: str) -> dict[str, Any]:
    # No proxy: the service is on the VM's own host, and refuses what comes by one.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(imds + path, headers={"Metadata": "true"})  # noqa: S310 - checked by the command
    try:
        with opener.open(request, timeout=_WITHIN_S) as answer:
            read: dict[str, Any] = json.loads(answer.read())
            return read
    except (OSError, ValueError) as error:
        message = f"the metadata service of this VM gave no answer to {path.split('?', 1)[0]}: {error}"
        raise OwnStopRefusedError(message) from error


def _code(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"]["code"])
    except (OSError, ValueError, KeyError, TypeError):
        return str(error.reason)


def _is_another(row: Mapping[str, Any], ours: set[tuple[str, str]]) -> bool:
    if (row["PartitionKey"], row["RowKey"]) in ours:
        return False
    if row.get("state") == Doing.STOPPING.value and not row.get("job_id"):
        return False  # its last word: it has no job, and claims none
    try:
        return datetime.now(timezone.utc) - read_iso(str(row.get("renewed_at", ""))) < _LATELY
    except ValueError:
        return True  # what cannot be read may be at work
