"""What a function asks for that no request can carry: it is refused, and no job is tried for ever because of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spot_worker.deciding.blob_addresses import blob_at, to_delete
from spot_worker.deciding.conversation import Failed, FetchAsked, Refused, Returned, Said, Task
from spot_worker.deciding.names import BadNameError, check_output
from workbench.jumping import at_once
from workbench.virtual import Fate, Outside

if TYPE_CHECKING:
    from workbench.real_worker import Bench
    from workbench.virtual_child import VirtualChild

_ACCOUNT = "https://farm.blob.core.windows.net"
_ODD = ("//x", "/ccc/a%00b", "/ccc/\ud800x", "/ccc/%ED%A0%80/../x", "/ccc/./x", "/CCC/x", "/c%00c/x")


@pytest.mark.parametrize("path", _ODD)
def test_what_no_blob_can_be_called_is_no_address_of_a_blob(path: str) -> None:
    assert blob_at(_ACCOUNT, _ACCOUNT + path) is None
    with pytest.raises(ValueError, match="no blob of the worker's storage account"):
        to_delete(_ACCOUNT, _ACCOUNT + path)


def test_an_output_whose_name_is_no_text_is_refused() -> None:
    with pytest.raises(BadNameError, match="udcff"):
        check_output("x\udcff.txt")


async def _asks(child: VirtualChild, _task: Task) -> Said:
    answer = await child.ask(FetchAsked("https://account/input", "/work/input"))
    return Failed(answer.why) if isinstance(answer, Refused) else Returned("1")


def test_a_mistake_of_ours_at_what_a_function_asks_for_is_its_jobs_failure() -> None:
    outside = Outside(_asks, {"fetch": [Fate.OUR_MISTAKE]})
    outside.submit()
    at_once(outside.works(once=False, until_empty=True))
    (poison,) = outside.log.events("poison")
    assert "ZeroDivisionError" in poison["reason"]
    assert "5 times" in poison["reason"]
    assert "in _fetch" in outside.log.events("our own mistake")[0]["traceback"]


def test_a_mistake_of_ours_at_what_a_function_gives_ends_in_poison_too() -> None:
    async def odd(_child: VirtualChild, _task: Task) -> Said:
        return Returned(5)  # type: ignore[arg-type] # what nobody has thought of

    outside = Outside(odd)
    outside.submit()
    at_once(outside.works(once=False, until_empty=True))
    assert [line["again_in_s"] for line in outside.log.events("gave back")] == [60, 60, 60, 60]
    (poison,) = outside.log.events("poison")
    assert "TypeError" in poison["reason"]
    assert poison["cause"] == "silent claims"


def test_a_mistake_of_ours_at_deleting_an_input_keeps_no_job_from_being_finished() -> None:
    async def deletes(_child: VirtualChild, _task: Task) -> Said:
        return Returned("1", (), ("https://account/in/1",))

    outside = Outside(deletes, {"delete input": [Fate.OUR_MISTAKE]})
    outside.submit()
    at_once(outside.works(once=False, until_empty=True))
    assert outside.messages == {}
    assert "ZeroDivisionError" in outside.log.events("not deleted")[0]["error"]


def test_a_function_hears_at_once_what_cannot_be(bench: Bench) -> None:
    (bench.folder / "odd.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "def work(job):\n"
        "    there, said = job.body, []\n"
        "    name = Path(os.fsdecode(b'x\\xff.txt'))\n"
        "    name.write_text('x')\n"
        "    asks = [lambda: job.output(name)]\n"
        f"    for path in {_ODD!r}:\n"
        "        asks.append(lambda path=path: job.fetch(there + path))\n"
        "        asks.append(lambda path=path: job.delete_input(there + path))\n"
        "    for ask in asks:\n"
        "        try:\n"
        "            ask()\n"
        "        except Exception as error:\n"
        "            said.append(f'{type(error).__name__}: {error}')\n"
        "    assert len(said) == len(asks)\n"
        "    return said\n"
    )
    bench.submit("odd", str(bench.storage.blobs.url).rstrip("/"))
    worker = bench.run("odd:work", "odd", "--once")
    assert worker.ended() == 0
    (row,) = bench.results("odd")
    assert row["result"][0].startswith("BadNameError: 'x\\udcff.txt'")
    assert {said.partition(":")[0] for said in row["result"][1::2]} == {"RefusedError"}
    assert {said.partition(":")[0] for said in row["result"][2::2]} == {"ValueError"}
    assert worker.events("our own mistake") == []
