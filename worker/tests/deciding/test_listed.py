"""What a function lists for its result (outputs, next jobs, inputs to delete) is kept with what it saves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from spot_worker.deciding.conversation import (
    Died,
    Done,
    LoadAsked,
    Loaded,
    OutputGiven,
    Refused,
    Returned,
    Said,
    StateSaved,
    SubmitAsked,
    Task,
)
from spot_worker.deciding.messages import read_message
from spot_worker.deciding.names import submitted_id
from spot_worker.deciding.record.pointers import Result
from workbench.jumping import at_once
from workbench.virtual import JOB, QUEUE, Outside

if TYPE_CHECKING:
    from workbench.real_worker import Bench
    from workbench.virtual_child import VirtualChild

_FIRST, _SECOND = SubmitAsked("next", "first"), SubmitAsked("next", "second")


def works(function: object) -> Outside:
    """Let a worker do a job by this function."""
    outside = Outside(function)  # type: ignore[arg-type] # a function of a test
    outside.submit()
    at_once(outside.works(once=False, until_empty=True))
    return outside


@pytest.mark.parametrize("kind", ["save", "save_file"])
def test_a_function_that_lists_and_saves_in_a_loop_loses_nothing_when_it_is_killed(bench: Bench, kind: str) -> None:
    (bench.folder / "loops.py").write_text(
        "import os\n"
        "def work(job):\n"
        "    found = job.checkpoint.load()\n"
        "    done = found if isinstance(found, int) else int(found.read_text()) if found else 0\n"
        "    for number in range(done, 4):\n"
        "        file = job.workdir / f'{number}.txt'\n"
        "        file.write_text(str(number))\n"
        "        job.output(file)\n"
        "        job.submit('after-loops', number)\n"
        "        job.delete_input(job.body + f'/{number}')\n"
        "        if number == job.attempt:\n"
        "            os._exit(7)\n"
        "        state = job.workdir / 'state'\n"
        "        state.write_text(str(number + 1))\n"
        f"        job.checkpoint.{kind}({'state' if kind == 'save_file' else 'number + 1'})\n"
        "    return 'done'\n"
    )
    queue = f"loops-{kind.replace('_', '-')}"
    inputs = bench.storage.blobs.create_container(f"inputs-of-{queue}")
    for number in range(4):
        inputs.upload_blob(str(number), b"x")
    bench.submit(queue, inputs.url)
    assert bench.run("loops:work", queue, "--until-empty").ended() == 0
    (row,) = bench.results(queue)
    job = f"{queue}/{row['job_id']}"
    assert row["outputs"] == [f"{job}/attempt-{attempt}/{at}.txt" for at, attempt in enumerate((1, 2, 3, 4))]
    assert [one["id"] for one in row["submitted"]] == [submitted_id(queue, row["job_id"], at) for at in range(4)]
    assert list(inputs.list_blob_names()) == []
    container = bench.storage.blobs.get_container_client(f"{queue}-checkpoints")
    left = {name for name in container.list_blob_names() if "/" not in name[len(f"{job}/") :]}
    assert left == {f"{job}/pointer.json"}


async def _dies_after_listing_more(child: VirtualChild, task: Task) -> Said:
    loaded = await child.ask(LoadAsked("there"))
    assert isinstance(loaded, Loaded)
    if task.attempt == 1:
        await child.ask(OutputGiven("/one", "a"))
        await child.ask(StateSaved("1", (_FIRST,), ("https://account/in/1",)))
        await child.ask(OutputGiven("/two", "b"))
        return Died("killed")
    await child.ask(OutputGiven("/three", "c"))
    return Returned("1", (*loaded.submitted, _SECOND), loaded.inputs)


def test_what_was_listed_after_the_newest_checkpoint_is_dropped_with_the_attempt() -> None:
    outside = works(_dies_after_listing_more)
    result = outside.record().outcome
    assert isinstance(result, Result)
    assert result.outputs == (f"{QUEUE}/{JOB}/attempt-1/a", f"{QUEUE}/{JOB}/attempt-2/c")
    assert result.inputs == ("https://account/in/1",)
    assert [(one.id, one.body) for one in result.submitted] == [
        (submitted_id(QUEUE, JOB, 0), "first"),
        (submitted_id(QUEUE, JOB, 1), "second"),
    ]
    assert [read_message("x", text).body for _, text in outside.sent] == ["first", "second"]
    assert not [name for name in outside.kept if name.endswith("-lists")]


def test_an_output_that_a_checkpoint_has_stays_as_it_was_and_a_later_one_of_its_name_takes_its_place() -> None:
    async def gives_again(child: VirtualChild, task: Task) -> Said:
        await child.ask(LoadAsked("there"))
        if task.attempt == 1:
            await child.ask(OutputGiven("/old", "a"))
            await child.ask(StateSaved("1"))
            await child.ask(OutputGiven("/new", "a"))
            return Died("killed")
        if task.attempt == 2:
            return Died("killed")
        listed.append(outside.record().checkpoints[-1].lists)
        await child.ask(OutputGiven("/newest", "a"))
        return Returned("1")

    listed: list[str] = []
    outside = Outside(gives_again)
    outside.submit()
    at_once(outside.works(once=False, until_empty=True))
    assert outside.kept[f"{QUEUE}/{JOB}/attempt-1/a"].content == b"/old"
    result = outside.record().outcome
    assert isinstance(result, Result)
    assert result.outputs == (f"{QUEUE}/{JOB}/attempt-3/a",)
    assert listed[0].startswith(f"{QUEUE}/{JOB}/attempt-1-1-")


def test_a_checkpoint_whose_lists_are_damaged_is_passed_over_for_the_one_before() -> None:
    async def finds_damage(child: VirtualChild, task: Task) -> Said:
        loaded = await child.ask(LoadAsked("there"))
        assert isinstance(loaded, Loaded)
        if task.attempt == 1:
            await child.ask(StateSaved("1", (_FIRST,)))
            await child.ask(StateSaved("2", (_FIRST, _SECOND)))
            outside.kept[outside.record().checkpoints[-1].lists] = outside.blob(b"{}")
            return Died("killed")
        return Returned(loaded.text, loaded.submitted)

    outside = Outside(finds_damage)
    outside.submit()
    at_once(outside.works(once=False, until_empty=True))
    result = outside.record().outcome
    assert isinstance(result, Result)
    assert (result.value, [one.body for one in result.submitted]) == ("1", ["first"])


def test_a_load_after_a_save_takes_nothing_back_that_was_listed_since() -> None:
    async def loads_again(child: VirtualChild, _task: Task) -> Said:
        await child.ask(StateSaved("1", (_FIRST,)))
        await child.ask(OutputGiven("/a", "a"))
        loaded = await child.ask(LoadAsked("there"))
        assert isinstance(loaded, Loaded)
        assert not loaded.has_lists
        return Returned("1", (_FIRST, _SECOND))

    result = works(loads_again).record().outcome
    assert isinstance(result, Result)
    assert (len(result.outputs), len(result.submitted)) == (1, 2)


def test_only_a_save_with_lists_costs_a_request_more() -> None:
    async def saves(child: VirtualChild, _task: Task) -> Said:
        for number, listed in enumerate(((), (), (_FIRST,), (_FIRST,), (_FIRST, _SECOND))):
            await child.ask(StateSaved(str(number), listed))
            seen.append(len(outside.asked["create"]) + len(outside.asked["replace"]))
        formats.append(json.loads(outside.kept[f"{QUEUE}/{JOB}/pointer.json"].content)["format"])
        return Returned("1", (_FIRST, _SECOND))

    seen: list[int] = []
    formats: list[int] = []
    outside = Outside(saves)
    outside.submit()
    at_once(outside.works())
    assert [after - before for before, after in zip([0, *seen], seen)] == [2, 2, 3, 3, 3]
    assert formats == [2]


def test_lists_that_no_result_could_have_are_refused_at_the_save() -> None:
    async def saves(child: VirtualChild, _task: Task) -> Said:
        answers = [await child.ask(StateSaved("1", (SubmitAsked("No Queue", 1),))), await child.ask(StateSaved("1"))]
        assert isinstance(answers[0], Refused)
        assert isinstance(answers[1], Done)
        return Returned(json.dumps(answers[0].why))

    result = works(saves).record().outcome
    assert isinstance(result, Result)
    assert "No Queue" in result.value
