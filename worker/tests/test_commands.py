"""What people read who call the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spot_worker.deciding.messages import read_message, write_poison

if TYPE_CHECKING:
    from workbench.real_worker import Bench


def test_a_mistyped_function_is_told_before_anything_is_made(bench: Bench) -> None:
    nowhere = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;QueueEndpoint=http://127.0.0.1:9/a;"
    rest = "BlobEndpoint=http://127.0.0.1:9/a;TableEndpoint=http://127.0.0.1:9/a;"
    worker = bench.run("nowhere:render", "mistyped-one", "--connection-string", nowhere + rest, "--until-empty")
    assert worker.ended() == 1
    assert "no module 'nowhere'" in worker.events("cannot start")[0]["error"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("async def f(job):\n    return 1", "is an async function"),
        ("def f(job):\n    yield 1", "is a generator"),
        ("async def f(job):\n    yield 1", "is a generator"),
        ("class F:\n    async def __call__(self, job):\n        return 1\nf = F()", "is an async function"),
        ("def f():\n    return 1", "cannot be called with a job: too many positional arguments"),
        ("def f(job, other):\n    return 1", "cannot be called with a job: missing a required argument: 'other'"),
    ],
)
def test_a_function_that_can_give_no_result_is_told_before_a_job_is_claimed(bench: Bench, code: str, why: str) -> None:
    (bench.folder / "odd.py").write_text(f"{code}\n")
    worker = bench.run("odd:f", "odd-functions", "--until-empty")
    assert worker.ended() == 1
    assert f"odd:f {why}" in worker.events("cannot start")[0]["error"]


@pytest.mark.parametrize(
    "code", ["def f(job, other=1, *more, **named):\n    return 1", "f = dict.fromkeys", "f = dict"]
)
def test_a_function_that_a_job_can_be_given_to_is_taken(bench: Bench, code: str) -> None:
    (bench.folder / "even.py").write_text(f"{code}\n")
    assert bench.run("even:f", "even-functions", "--until-empty").ended() == 0


@pytest.mark.parametrize("queue", ["7jobs", "x" * 52])
def test_a_queue_of_which_run_would_make_nothing_is_refused_by_submit_in_the_same_words(
    bench: Bench, queue: str
) -> None:
    refused = bench.command("run", "workbench.jobs:quick", "--queue", queue)
    submitted = bench.command("submit", "--queue", queue, "--count", "1")
    assert (submitted.returncode, submitted.stderr) == (2, refused.stderr)
    assert "--results" in refused.stderr or "--checkpoints" in refused.stderr
    other = ("--results", "others", "--checkpoints", "others")
    assert bench.command("submit", "--queue", queue, "--count", "1", *other).returncode == 0


def test_what_run_cannot_use_is_told_in_one_line(bench: Bench) -> None:
    (bench.folder / "file").write_text("x")
    words = ("run", "workbench.jobs:quick", "--queue", "odd-options")
    done = bench.command(*words, "--state", "file")
    assert (done.returncode, done.stderr) == (
        2,
        f"spot-worker: {bench.folder.resolve() / 'file'}: this is no folder, which --state takes\n",
    )
    done = bench.command(*words, "--state", "folder", "--stop-vm-minimum", "10")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "give --stop-vm-after-idle as well" in done.stderr
    assert not (bench.folder / "folder").exists()


def test_what_a_function_prints_leaves_each_line_of_the_log_readable(bench: Bench) -> None:
    (bench.folder / "prints.py").write_text(
        "import sys\n"
        "def work(job):\n"
        "    print('a\\nb', end='', flush=True)\n"
        "    sys.stderr.write('50 %')\n"
        "    sys.stderr.flush()\n"
        "    job.checkpoint.save(1)\n"
        "    print('c', flush=True)\n"
        "    print('d', end='', flush=True)\n"
    )
    bench.submit("prints", 1)
    worker = bench.run("prints:work", "prints", "--once")
    assert worker.ended() == 0
    assert sorted(worker.printed) == ["50 %", "a", "bc", "d"]
    assert (len(worker.events("saved")), len(worker.events("finished"))) == (1, 1)


def test_a_queue_that_was_not_there_is_said_and_the_end_says_what_became_of_the_jobs(bench: Bench) -> None:
    worker = bench.run("quick", "not-there", "--until-empty")
    assert worker.ended() == 0
    assert worker.events("queue made")[0]["queue"] == "not-there"
    bench.submit("not-there", 1, 2)
    worker = bench.run("hopeless", "not-there", "--until-empty")
    assert worker.ended() == 0
    assert not worker.events("queue made")
    (ended,) = worker.events("ended")
    assert (ended["finished"], ended["failed"], ended["poison"], ended["gave_back"]) == (0, 2, 2, 0)


def test_where_there_is_nothing_that_is_said(bench: Bench) -> None:
    for words in (("results", "--queue"), ("poison", "list", "--queue"), ("workers", "--queue")):
        done = bench.command(*words, "nowhere-at-all")
        assert (done.returncode, done.stdout, "there is nothing yet, or no such queue" in done.stderr) == (0, "", True)
        assert bench.asked(*words, "nowhere-at-all") == []


def test_people_see_claims_without_a_word_and_all_of_a_reason(bench: Bench) -> None:
    bench.submit("shown", 1)
    assert bench.run("quick", "shown", "--once").ended() == 0
    head = bench.command("results", "--queue", "shown").stdout.splitlines()[0].split()
    assert head.index("silent_claims") == head.index("evictions") + 1
    poison = bench.storage.queues.create_queue("shown-poison")
    poison.send_message(write_poison(read_message("job-7", "x"), "shown", "no " * 50 + "picture", 5, {}))
    assert "picture" in bench.command("poison", "list", "--queue", "shown").stdout


def test_two_who_look_at_once_both_see_the_poison_queue(bench: Bench) -> None:
    poison = bench.storage.queues.create_queue("looked-poison")
    for number in range(40):
        poison.send_message(write_poison(read_message(f"job-{number}", "x"), "looked", "why", 5, {}))
    assert len(bench.asked("poison", "list", "--queue", "looked")) == 40
    for _ in range(35):
        taken = poison.receive_message()
        assert taken
        poison.delete_message(taken)
    for message in poison.peek_messages(32):
        assert message.dequeue_count == 1
    assert len(bench.asked("poison", "list", "--queue", "looked")) == 5
    assert {message.dequeue_count for message in poison.peek_messages(32)} == {1}
    assert bench.command("poison", "requeue", "--all", "--queue", "looked").stdout.count("put back") == 5
