"""Messages of the poison queue that cannot be put back: each stays, says why, and keeps no other from going back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from spot_worker.deciding.messages import read_message

if TYPE_CHECKING:
    from workbench.real_worker import Bench

_BODY = "x" * 65_300


def test_each_message_that_cannot_be_put_back_stays_and_says_why(bench: Bench) -> None:
    bench.submit("odd-poison", _BODY, _BODY, "small")
    assert bench.run("fails", "odd-poison", "--until-empty", "--max-failures", "1").ended() == 0
    given_up = {str(one["job_id"]): one for one in bench.asked("poison", "list", "--queue", "odd-poison")}
    gone, binary = (job_id for job_id, one in given_up.items() if one["body_in"])
    (small,) = set(given_up) - {gone, binary}
    container = bench.storage.blobs.get_container_client("odd-poison-checkpoints")
    container.delete_blob(given_up[gone]["body_in"])
    container.upload_blob(given_up[binary]["body_in"], b"\xff\xfe\0", overwrite=True)
    poison = bench.storage.queues.get_queue_client("odd-poison-poison")
    for job_id, body_in in (("forged-1", "\ud800"), ("forged-2", "odd-poison/forged-1/../../x")):
        members = {"spot_worker": 1, "id": job_id, "body": None, "body_in": body_in, "reason": "r"}
        poison.send_message(json.dumps(members))

    done = bench.command("poison", "requeue", "--all", "--queue", "odd-poison", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    said = {row["job_id"]: row["done"] for row in json.loads(done.stdout)}
    assert said.pop(small) == "put back"
    assert said[gone].endswith("message.txt, which is gone: submit the job anew")
    assert "is no text" in said[binary]
    assert "where no worker puts one" in said["forged-1"]
    assert "where no worker puts one" in said["forged-2"]
    left = bench.asked("poison", "list", "--queue", "odd-poison")
    assert {one["job_id"] for one in left} == set(said)
    (message,) = bench.storage.queues.get_queue_client("odd-poison").peek_messages(32)
    assert read_message("x", str(message.content)).body == "small"
    # Nothing has changed for the others: their records still say that they were given up.
    records = [
        json.loads(container.download_blob(f"odd-poison/{job_id}/pointer.json").readall())
        for job_id in said
        if job_id in given_up
    ]
    assert [record["outcome"]["kind"] for record in records] == ["poison", "poison"]


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_reasons_that_are_no_text_can_be_shown(bench: Bench, as_json: tuple[str, ...]) -> None:
    queue = f"odd-reasons-{len(as_json)}"
    poison = bench.storage.queues.create_queue(f"{queue}-poison")
    poison.send_message(json.dumps({"spot_worker": 1, "id": "forged", "body": "\udcff", "reason": "\ud800"}))
    assert bench.command("poison", "list", "--queue", queue, *as_json).returncode == 0
    done = bench.command("poison", "requeue", "--all", "--queue", queue, *as_json)
    assert (done.returncode, done.stderr) == (0, "")
