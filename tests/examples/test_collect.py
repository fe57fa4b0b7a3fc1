"""The collector: files become rows of one table, with the real worker on Azurite."""

from __future__ import annotations

import base64
import csv
import io
import json
from typing import TYPE_CHECKING

import collect

if TYPE_CHECKING:
    from workbench.real_worker import Bench


def test_each_file_is_one_row_of_the_table_though_its_event_comes_twice(bench: Bench) -> None:
    """Event Grid tells of each blob, in base64; and one address was submitted by hand."""
    container = bench.storage.blobs.get_container_client("files-in")
    container.create_container()
    queue = bench.storage.queues.create_queue("files")
    for name, content in (("2026/b c.txt", b"one\ntwo\n"), ("a.txt", b"three")):
        container.upload_blob(name, content)
        blob = container.get_blob_client(name)
        data = {"url": blob.url, "eTag": blob.get_blob_properties().etag}
        event = json.dumps({"type": "Microsoft.Storage.BlobCreated", "data": data})
        for _ in range(2):
            queue.send_message(base64.b64encode(event.encode()).decode())
    container.upload_blob("d.txt", b"")
    bench.submit("files", container.get_blob_client("d.txt").url)
    assert bench.run("collect:work", "files", "--until-empty", "--slots", "2").ended() == 0
    written = io.StringIO()
    collect.main(io.StringIO(json.dumps(bench.results("files"))), written)
    rows = list(csv.DictReader(io.StringIO(written.getvalue())))
    assert [(row["name"], row["lines"], row["bytes"]) for row in rows] == [
        ("a.txt", "1", "5"),
        ("b c.txt", "2", "8"),
        ("d.txt", "0", "0"),
    ]


def test_a_job_that_was_given_up_has_no_row() -> None:
    """Its result is none."""
    assert list(collect.table([{"result": None}, {"status": "poison"}])) == []
