"""What docs and examples promise, with the real worker on Azurite: begun, killed in the middle, and finished."""

from __future__ import annotations

import re
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import mandelbrot
import png

if TYPE_CHECKING:
    import pytest
    from workbench.real_worker import Bench, Worker

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "worker.md"
SHORT: Final = ("--checkpoint-interval", "1", "--visibility", "9", "--until-empty")


def kill(worker: Worker, saves: int) -> None:
    """End it without a word once so many checkpoints are saved."""
    worker.wait_for("saved", saves)
    worker.send(signal.SIGKILL)
    worker.ended()


def test_a_flight_that_was_killed_in_a_frame_comes_out_as_one_that_was_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second frame has some rows when its worker is killed; the next worker has only the others left."""
    size = (128, 72)  # a frame of some two seconds, of which one is saved
    frames = list(mandelbrot.jobs(2, size))
    bench.submit("flight", *frames)
    kill(bench.run("mandelbrot:work", "flight", *SHORT), saves=1)
    assert bench.run("mandelbrot:work", "flight", *SHORT).ended() == 0
    rows = bench.results("flight")
    assert sorted(row["attempts"] for row in rows) == [1, 2]
    bench.submit("flight", mandelbrot.film_job(rows))
    assert bench.run("mandelbrot:work", "flight", *SHORT).ended() == 0
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", bench.storage.connection_string)
    undisturbed = [
        b"".join(mandelbrot.rendered_row(row, size, frame["at"]) for row in range(size[1])) for frame in frames
    ]
    film = png.film([png.picture(size, pixels) for pixels in undisturbed], frames_a_second=12)
    assert mandelbrot.finished_film(bench.results("flight")) == film


def test_the_first_steps_of_the_page_lead_to_results_though_the_worker_is_killed(bench: Bench) -> None:
    """The page's own function and its own command lines; its seconds are shorter here."""
    text = PAGE.read_text("utf-8")
    (function,) = re.findall(r"^cat > count\.py <<'END'\n(.*?)^END$", text, re.MULTILINE | re.DOTALL)
    (bench.folder / "count.py").write_text(function.replace("time.sleep(1)", "time.sleep(0.2)"), "utf-8")
    submit, run, results = (shlex.split(line)[1:] for line in re.findall(r"^spot-worker .*", text, re.MULTILINE))
    assert bench.command(*submit).returncode == 0
    what, spec, queue, *options = run[0], run[1], run[3], *run[4:]
    assert what == "run"
    options[options.index("--checkpoint-interval") + 1] = "1"
    kill(bench.run(spec, queue, *options), saves=4)
    assert bench.run(spec, queue, *options).ended() == 0
    rows = bench.asked(*results)
    assert [row["result"]["counted_to"] for row in rows] == [20] * 4
    assert sum(row["result"]["began_at"] > 0 for row in rows) == 4
