"""Conflicts (409): some pass by themselves, others last until somebody does something; none keeps a slot for ever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import StandardBlobTier

from spot_worker.edges.account import by_connection_string
from spot_worker.edges.azure_errors import translated
from spot_worker.edges.storage import AccountInputs
from spot_worker.running.ports import MissingError, StorageError

if TYPE_CHECKING:
    from workbench.real_worker import Bench


@pytest.mark.parametrize(
    ("code", "is_lasting"),
    [
        ("ContainerBeingDeleted", False),
        ("QueueBeingDeleted", False),
        ("TableBeingDeleted", False),
        ("BlobArchived", True),
        ("BlobBeingRehydrated", True),
        ("BlobImmutableDueToLegalHold", True),
        ("NobodyHasSeenThisCode", True),
        ("", True),
    ],
)
def test_whether_a_conflict_passes_is_said_by_its_code(code: str, is_lasting: bool) -> None:  # noqa: FBT001 - a case
    conflict = HttpResponseError("a conflict")
    conflict.status_code = 409
    vars(conflict)["error_code"] = code

    def ask() -> None:
        raise conflict

    with pytest.raises(StorageError, match="a conflict") as error:
        translated("to ask", ask)
    assert error.value.is_lasting is is_lasting


def test_a_blob_in_the_archive_is_the_jobs_failure_and_one_with_snapshots_is_left(bench: Bench) -> None:
    container = bench.storage.blobs.create_container("conflicts")
    archived, snapped = container.upload_blob("archived", b"1"), container.upload_blob("snapped", b"2")
    archived.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    snapped.create_snapshot()
    inputs = AccountInputs(by_connection_string(bench.storage.connection_string), 1)
    with pytest.raises(MissingError, match="409 BlobArchived"):
        asyncio.run(inputs.fetch(archived.url, str(bench.folder / "file")))
    (bench.folder / "conflicting.py").write_text(
        "def work(job):\n"
        "    job.delete_input(job.body['snapped'])\n"
        "    try:\n"
        "        job.fetch(job.body['archived'])\n"
        "    except Exception as error:\n"
        "        return str(error)\n"
    )
    bench.submit("conflicts", {"archived": archived.url, "snapped": snapped.url})
    worker = bench.run("conflicting:work", "conflicts", "--until-empty")
    assert worker.ended() == 0
    (row,) = bench.results("conflicts")
    assert row["result"].endswith("/archived cannot be fetched: 409 BlobArchived")
    (left,) = worker.events("not deleted")
    assert "409 SnapshotsPresent" in left["error"]
