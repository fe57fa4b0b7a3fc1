"""Real workers on Azurite: what becomes of jobs that end, one way or another."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from spot_worker.deciding.messages import write_message
from spot_worker.deciding.names import places, pointer_name
from spot_worker.edges.account import by_connection_string, make_all
from spot_worker.edges.storage import AccountInputs
from spot_worker.running.ports import DiskError, StorageError
from workbench.real_worker import until

if TYPE_CHECKING:
    from workbench.real_worker import Bench


def test_a_job_is_done_and_its_result_is_a_row(bench: Bench) -> None:
    bench.submit("quick-one", {"frame": 7})
    worker = bench.run("quick", "quick-one", "--once")
    assert worker.ended() == 0
    (row,) = bench.results("quick-one")
    assert row["result"] == {"body": {"frame": 7}, "attempt": 1}
    assert (row["attempts"], row["evictions"]) == (1, 0)
    assert "printed by the function" in worker.printed
    (told,) = bench.asked("workers", "--queue", "quick-one")
    assert (told["boot_id"], told["state"], told["job_id"]) == ("boot-1", "ended", "")


def test_a_job_without_checkpoints_costs_six_requests(bench: Bench) -> None:
    def asked_for(count: int) -> int:
        queue = f"count-{count}"
        bench.submit(queue, *range(count))
        before = len(bench.storage.requests)
        assert bench.run("quick", queue, "--until-empty").ended() == 0
        return len(bench.storage.requests) - before

    one = asked_for(1)
    assert (asked_for(11) - one) / 10 <= 6


def test_messages_of_others_are_jobs_too(bench: Bench) -> None:
    queue = bench.storage.queues.create_queue("foreign")
    texts = ["resize cat.png", base64.b64encode(b"resize dog.png").decode(), '{"a": 1}', "\u00e4", "x" * 60_000]
    ids = {queue.send_message(text).id: text for text in texts}
    assert bench.run("quick", "foreign", "--until-empty").ended() == 0
    rows = {row["job_id"]: row["result"]["body"] for row in bench.results("foreign") if row["job_id"] in ids}
    assert {ids[job_id]: body for job_id, body in rows.items() if len(body) < 100} == {
        "resize cat.png": "resize cat.png",
        texts[1]: "resize dog.png",
        '{"a": 1}': '{"a": 1}',
        "\u00e4": "\u00e4",
    }
    (too_large,) = bench.asked("poison", "list", "--queue", "foreign")
    assert "job.output" in too_large["reason"]


def test_a_job_that_fails_is_tried_again_then_given_up_and_can_be_requeued(bench: Bench) -> None:
    (job_id,) = bench.submit("failing", "way")
    worker = bench.run("fails", "failing", "--until-empty", "--max-failures", "2")
    assert worker.ended() == 0
    assert [line["again_in_s"] for line in worker.events("gave back")] == [1]
    (given_up,) = bench.asked("poison", "list", "--queue", "failing")
    assert (given_up["job_id"], given_up["body"], given_up["attempt"]) == (job_id, "way", 2)
    assert "ValueError: no way" in given_up["reason"]
    shown = bench.asked("poison", "show", job_id, "--queue", "failing")[0]
    assert shown["record"]["outcome"]["cause"] == "failures"
    assert bench.asked("jobs", "--queue", "failing")["jobs"][0]["state"] == "poison"

    assert bench.command("poison", "requeue", job_id, "--queue", "failing").returncode == 0
    assert bench.asked("poison", "list", "--queue", "failing") == []
    assert bench.run("quick", "failing", "--until-empty").ended() == 0
    (row,) = bench.results("failing")
    assert (row["job_id"], row["attempts"], row["failures"]) == (job_id, 3, 0)


def test_to_requeue_what_is_not_there_or_nothing_is_a_mistake(bench: Bench) -> None:
    done = bench.command("poison", "requeue", "other", "--queue", "failing-not")
    assert (done.returncode, "other is not in the poison queue" in done.stderr) == (1, True)
    assert bench.command("poison", "requeue", "--queue", "failing-not").returncode == 2


@pytest.mark.parametrize(
    ("function", "attempts", "reason"),
    [
        ("hopeless", 1, "7 is no picture"),
        ("no_json", 1, "no JSON value"),
        ("large", 1, "job.output"),
        ("crashes", 5, "the function's process ended with exit code 7; 5 claims ended without a word"),
    ],
)
def test_what_no_attempt_can_help_is_given_up(bench: Bench, function: str, attempts: int, reason: str) -> None:
    queue = f"giveup-{function.replace('_', '')}"
    bench.submit(queue, 7)
    worker = bench.run(function, queue, "--until-empty")
    assert worker.ended() == 0
    assert [line["again_in_s"] for line in worker.events("gave back")] == [1, 2, 4, 8][: attempts - 1]
    (given_up,) = bench.asked("poison", "list", "--queue", queue)
    assert given_up["attempt"] == attempts
    assert reason in given_up["reason"]
    assert bench.results(queue) == []


def test_a_record_that_somebody_edited_is_poison_with_a_clear_reason(bench: Bench) -> None:
    job_id, emptied = bench.submit("edited", 1, 2)
    container = bench.storage.blobs.create_container("edited-checkpoints")
    container.upload_blob(pointer_name("edited", job_id), b"{not json")
    container.upload_blob(pointer_name("edited", emptied), b"")
    assert bench.run("quick", "edited", "--until-empty").ended() == 0
    given_up = bench.asked("poison", "list", "--queue", "edited")
    assert {one["job_id"] for one in given_up} == {job_id, emptied}
    assert all("pointer.json) cannot be read" in one["reason"] for one in given_up)
    assert container.download_blob(f"edited/{job_id}/pointer.unreadable").readall() == b"{not json"
    assert bench.command("poison", "requeue", "--all", "--queue", "edited").returncode == 0
    assert bench.run("quick", "edited", "--until-empty").ended() == 0
    assert len(bench.results("edited")) == 2


def test_what_follows_a_result_is_done_by_whoever_finds_it_missing(bench: Bench) -> None:
    (job_id,) = bench.submit("crashed", 1)
    assert bench.run("quick", "crashed", "--once").ended() == 0
    table = bench.storage.tables.get_table_client("crashedresults")
    table.delete_entity("crashed", job_id)
    # A worker that died before the row and the message were written leaves just this behind.
    bench.storage.queues.get_queue_client("crashed").send_message(write_message(job_id, 1))
    worker = bench.run("fails", "crashed", "--once")
    assert worker.ended() == 0
    assert [row["job_id"] for row in bench.results("crashed")] == [job_id]
    assert not worker.events("claimed")
    assert bench.storage.queues.get_queue_client("crashed").get_queue_properties().approximate_message_count == 0


def test_a_file_goes_on_after_a_crash_and_a_result_has_its_outputs_and_what_follows(bench: Bench) -> None:
    inputs = bench.storage.blobs.create_container("inputs")
    blob = inputs.upload_blob("a b.txt", b"an input")
    bench.submit("files", {"next": "files-next", "input": blob.url})
    worker = bench.run("files", "files", "--until-empty")
    assert worker.ended() == 0
    (row,) = bench.results("files")
    assert row["result"] == {"kept": "second", "read": "an input", "output": "a picture"}
    assert row["outputs"] == [f"files/{row['job_id']}/attempt-2/pictures/1.txt"]
    assert (row["silent_claims"], row["submitted"][0]["queue"]) == (1, "files-next")
    assert not blob.exists()
    container = bench.storage.blobs.get_container_client("files-checkpoints")
    assert sorted(name.rsplit("/", 1)[-1] for name in container.list_blob_names()) == ["1.txt", "pointer.json"]
    assert bench.run("quick", "files-next", "--until-empty", state="next").ended() == 0
    (follower,) = bench.results("files-next")
    assert follower["job_id"] == row["submitted"][0]["id"]


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_checkpoint_that_is_not_whole_is_passed_over_for_the_one_before(bench: Bench, is_gone: bool) -> None:  # noqa: FBT001 - a case
    queue = f"broken-{is_gone}".lower()
    (job_id,) = bench.submit(queue, {"next": "broken-next", "input": "x"})
    worker = bench.run("files", queue, "--visibility", "9")
    worker.wait_for("saved", 2)
    worker.wait_for("died")
    worker.process.kill()
    container = bench.storage.blobs.get_container_client(f"{queue}-checkpoints")
    record: dict[str, Any] = json.loads(container.download_blob(pointer_name(queue, job_id)).readall())
    newest = container.get_blob_client(record["checkpoints"][-1]["name"])
    if is_gone:
        newest.delete_blob()
    else:
        newest.upload_blob(b"half of it", overwrite=True)
    (bench.folder / "go.py").write_text("def go(job):\n    return job.checkpoint.load().read_text()[:5]\n")
    assert bench.run("go:go", queue, "--once", state="another-disk").ended() == 0
    assert bench.results(queue)[0]["result"] == "first"


def test_an_address_that_leads_nowhere_is_the_jobs_own_failure(bench: Bench) -> None:
    gone = f"{bench.storage.blobs.url}nothing/here.txt"
    bench.submit("fetching", gone, "file:///etc/hostname", "http://127.0.0.1:9x/")
    worker = bench.run("fetches", "fetching", "--until-empty", "--max-failures", "1")
    assert worker.ended() == 0
    assert len(bench.asked("poison", "list", "--queue", "fetching")) == 3
    assert all("RefusedError" in line["error"] for line in worker.events("failed"))


def test_a_file_that_cannot_be_written_is_the_jobs_own_failure(bench: Bench) -> None:
    blob = bench.storage.blobs.create_container("plenty").upload_blob("a.txt", b"an input")
    bench.submit("local", blob.url)
    worker = bench.run("workbench.bad_jobs:loses_its_folder", "local", "--until-empty")
    assert worker.ended() == 0
    assert "RefusedError" in bench.results("local")[0]["result"]
    assert not worker.events("storage refuses")


def test_a_job_that_this_vm_cannot_begin_uses_up_no_budget(bench: Bench) -> None:
    worker = bench.run("quick", "unbegun", "--once", "--max-failures", "1")
    worker.wait_for("started")
    jobs = bench.folder / "state" / "jobs"
    jobs.rmdir()
    jobs.write_text("no folder can be made here")
    bench.submit("unbegun", 1)
    worker.wait_for("not begun")
    jobs.unlink()
    assert worker.ended() == 0
    assert bench.run("quick", "unbegun", "--once").ended() == 0
    (row,) = bench.results("unbegun")
    assert (row["attempts"], row["failures"], row["evictions"], row["silent_claims"]) == (2, 0, 0, 0)


def test_submit_refuses_what_is_no_job_and_then_submits_nothing(bench: Bench) -> None:
    done = bench.command("submit", "--queue", "strict", "-", given='{"a": 1}\n{"a": \n')
    assert (done.returncode, "line 2" in done.stderr, "nothing is submitted" in done.stderr) == (2, True, True)
    done = bench.command("submit", "--queue", "strict", "-", given=json.dumps("x" * 70_000))
    assert (done.returncode, "put the data into a blob" in done.stderr) == (2, True)
    assert bench.command("submit", "--queue", "strict").returncode == 2
    assert bench.command("submit", "--queue", "No Queue", "--count", "1").returncode == 2
    assert "there is no queue strict" in bench.command("jobs", "--queue", "strict").stderr


def test_submit_takes_files_lines_of_text_and_numbered_jobs(bench: Bench) -> None:
    (bench.folder / "jobs.txt").write_text('cat.png\n\n{"frame": 1}\n')
    assert bench.command("submit", "--queue", "lenient", "jobs.txt", "jobs.txt").returncode == 0
    assert bench.command("submit", "--queue", "lenient", "--count", "2").returncode == 0
    assert bench.run("quick", "lenient", "--until-empty", "--slots", "2").ended() == 0
    bodies = [json.dumps(row["result"]["body"]) for row in bench.results("lenient")]
    assert sorted(bodies) == [
        '"cat.png"',
        '"cat.png"',
        '{"frame": 1}',
        '{"frame": 1}',
        '{"number": 1}',
        '{"number": 2}',
    ]


def test_what_a_function_asks_for_and_cannot_have_is_refused_where_it_asks(bench: Bench) -> None:
    bench.submit("misused", 1)
    assert bench.run("misuses", "misused", "--until-empty").ended() == 0
    (row,) = bench.results("misused")
    kinds = [said.split(":")[0] for said in row["result"]]
    assert kinds == [
        "BadNameError",
        "MessageTooLargeError",
        "ImpossibleResultError",
        "ValueError",
        "ValueError",
        "ImpossibleResultError",
        "BadNameError",
        "RefusedError",
        "TypeError",
        "ValueError",
        "FileNotFoundError",
        "RefusedError",
    ]


def test_a_blob_for_which_the_disk_has_no_place_says_so(bench: Bench) -> None:
    blob = bench.storage.blobs.create_container("large").upload_blob("input", b"an input")
    inputs = AccountInputs(by_connection_string(bench.storage.connection_string), 1)
    with pytest.raises(DiskError, match="No space left"):
        asyncio.run(inputs.fetch(blob.url, "/dev/full"))


def test_what_is_there_need_not_be_made_by_who_may_not(bench: Bench) -> None:
    """A role may read and write, and not create."""
    whole = by_connection_string(bench.storage.connection_string)
    make_all(whole, places("made"), "workers")
    limited = by_connection_string(bench.storage.read_only())
    make_all(limited, places("made"), "workers")
    with pytest.raises(StorageError, match="to make the queue not-made: not allowed"):
        make_all(limited, places("not-made"), "workers")


def test_a_container_and_tables_that_somebody_deleted_are_made_again(bench: Bench) -> None:
    worker = bench.run("quick", "deleted")
    worker.wait_for("started")
    bench.storage.blobs.delete_container("deleted-checkpoints")
    bench.storage.tables.delete_table("deletedresults")
    bench.submit("deleted", 1)
    worker.wait_for("finished")
    until(lambda: bench.results("deleted"))


def test_an_empty_checkpoint_is_passed_over_for_the_one_before(bench: Bench) -> None:
    (bench.folder / "saves.py").write_text(
        "def work(job):\n    file = job.workdir / 'f'\n    if job.attempt == 1:\n"
        "        for text in 'ab':\n            file.write_text(text)\n            job.checkpoint.save_file(file)\n"
        "        raise ValueError\n    return job.checkpoint.load().read_text()\n"
    )
    (job_id,) = bench.submit("emptied", 1)
    assert bench.run("saves:work", "emptied", "--once").ended() == 0
    container = bench.storage.blobs.get_container_client("emptied-checkpoints")
    record: dict[str, Any] = json.loads(container.download_blob(pointer_name("emptied", job_id)).readall())
    container.get_blob_client(record["checkpoints"][-1]["name"]).upload_blob(b"", overwrite=True)
    assert bench.run("saves:work", "emptied", "--once", state="another-disk").ended() == 0
    assert bench.results("emptied")[0]["result"] == "a"


def test_a_table_of_something_else_is_no_table_of_results(bench: Bench) -> None:
    bench.storage.tables.create_table_if_not_exists("others").create_entity({"PartitionKey": "a", "RowKey": "b"})
    done = bench.command("results", "--results", "others")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("line", ["NaN", '{"a": NaN}', "1e999", "[" * 500 + "]" * 500])
def test_what_is_no_json_is_no_job(bench: Bench, line: str) -> None:
    done = bench.command("submit", "--queue", "strict", "-", given=line)
    assert (done.returncode, "nothing is submitted" in done.stderr) == (2, True)


def test_a_mark_before_the_first_line_is_none_of_its_signs(bench: Bench) -> None:
    (bench.folder / "marked.txt").write_text('{"a": 1}', "utf-8-sig")
    bench.command("submit", "--queue", "marked", "marked.txt")
    bench.command("submit", "--queue", "marked", "-", given='\ufeff{"a": 1}')
    assert bench.run("quick", "marked", "--until-empty").ended() == 0
    assert [row["result"]["body"] for row in bench.results("marked")] == [{"a": 1}, {"a": 1}]
