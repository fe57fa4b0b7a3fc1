"""A flight into the Mandelbrot set: each frame is a job that goes on where it was interrupted.

    python mandelbrot.py jobs --frames 36 > frames.jsonl          one line for each frame
    spot-worker submit --queue flight frames.jsonl
    spot-worker run mandelbrot:work --queue flight --until-empty  render them, here or on any number of VMs
    spot-worker results --queue flight --json | python mandelbrot.py film > film.jsonl
    spot-worker submit --queue flight film.jsonl                  one more job: put the frames together
    spot-worker run mandelbrot:work --queue flight --until-empty
    spot-worker results --queue flight --json | python mandelbrot.py save flight.png

Nothing else is needed: the pictures are PNGs, the film is a PNG that moves (APNG), which every browser plays.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from azure.storage.blob import BlobClient

import png

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spot_worker import Job

TARGET: Final = complex(-0.743643887037151, 0.131825904205330)
WIDEST: Final = 3.2
"""How much of the plane the first frame shows; the last one shows ``DEPTH`` times less."""

DEPTH: Final = 2e5
ESCAPED: Final = 256.0
"""Far out, where the colours have no steps (the radius, squared)."""

SAMPLES: Final = (0.25, 0.75)
"""Each pixel is the mean of two by two points."""


def work(job: Job) -> object:
    """Do one job of the queue: a frame, or the film of all frames."""
    return film(job) if "frames" in job.body else frame(job)


def frame(job: Job) -> object:
    """Render one frame row by row. The checkpoint is the file of the rows that are done."""
    size = (job.body["width"], job.body["height"])
    rows = job.workdir / "rows"
    saved = job.checkpoint.load()
    rows.write_bytes(saved.read_bytes() if isinstance(saved, Path) else b"")
    with rows.open("ab") as file:
        for row in range(file.tell() // (3 * size[0]), size[1]):
            file.write(rendered_row(row, size, job.body["at"]))
            if job.checkpoint.due or job.stop_requested:
                file.flush()
                job.checkpoint.save_file(rows)
    picture = job.workdir / "frame.png"
    picture.write_bytes(png.picture(size, rows.read_bytes()))
    return {"number": job.body["number"], "of": job.body["of"], "png": job.output(picture, "frame.png")}


def film(job: Job) -> object:
    """Put the frames together."""
    pictures = [job.fetch(url).read_bytes() for url in job.body["frames"]]
    moving = job.workdir / "flight.png"
    moving.write_bytes(png.film(pictures, frames_a_second=12))
    return {"film": job.output(moving, "flight.png")}


def rendered_row(row: int, size: tuple[int, int], at: float) -> bytes:
    """Give a row of pixels, three bytes each. ``at`` is 0 for the first frame of the flight and 1 for the last."""
    width, height = size
    seen = WIDEST * DEPTH**-at
    step, limit = seen / width, 200 + int(700 * at)
    middle = TARGET - complex(seen, seen * height / width) / 2
    pixels = bytearray()
    for column in range(width):
        points = (middle + complex(column + x, row + y) * step for x in SAMPLES for y in SAMPLES)
        colours = [colour(escape(point, limit)) for point in points]
        pixels += bytes(sum(parts) // len(colours) for parts in zip(*colours))
    return bytes(pixels)


def escape(point: complex, limit: int) -> float | None:
    """Give after how many steps the point has gone, with a fraction, or ``None`` if it stays."""
    x, y = point.real, point.imag
    # The heart and the disc beside it are most of the set, and known to stay.
    from_cusp = (x - 0.25) ** 2 + y * y
    if from_cusp * (from_cusp + x - 0.25) <= y * y / 4 or (x + 1) ** 2 + y * y <= 1 / 16:
        return None
    z = 0j
    for count in range(limit):
        z = z * z + point
        distance = z.real * z.real + z.imag * z.imag
        if distance > ESCAPED:
            return count + 2 - math.log2(math.log(distance))
    return None


def colour(steps: float | None) -> tuple[int, int, int]:
    """Give red, green and blue: black for what stays, else a wave of blue, white, gold and brown."""
    if steps is None:
        return 0, 0, 0
    turn = 3.2 * math.log2(max(steps, 0.0) + 1)
    red, green, blue = (0.5 - 0.5 * math.cos(turn - delay) for delay in (1.5, 0.8, 0.2))
    return int(255 * red), int(255 * green**1.2), int(255 * blue**0.8)


def jobs(frames: int, size: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """Give the body of each frame's job."""
    for number in range(frames):
        at = number / max(frames - 1, 1)
        yield {"number": number, "of": frames, "at": at, "width": size[0], "height": size[1]}


def film_job(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Give the body of the job that puts the frames together, from the rows of ``spot-worker results --json``.

    Raises:
        SystemExit: some frame is not rendered yet.
    """
    frames = [row["result"] for row in results if isinstance(row["result"], dict) and "png" in row["result"]]
    if not frames or len(frames) < frames[0]["of"]:
        message = (
            f"mandelbrot: {len(frames)} frames have a result, which is not all: let the worker run on, then try again"
        )
        raise SystemExit(message)
    return {"frames": [one["png"] for one in sorted(frames, key=lambda one: int(one["number"]))]}


def finished_film(results: Sequence[dict[str, Any]]) -> bytes:
    """Give the film from where the worker has put it.

    Raises:
        SystemExit: there is none yet.
    """
    urls = [row["result"]["film"] for row in results if isinstance(row["result"], dict) and "film" in row["result"]]
    if not urls:
        message = "mandelbrot: there is no film yet: submit its job, let the worker run, then try again"
        raise SystemExit(message)
    place = BlobClient.from_blob_url(urls[-1])
    blob = BlobClient.from_connection_string(
        os.environ["AZURE_STORAGE_CONNECTION_STRING"], place.container_name, place.blob_name
    )
    return blob.download_blob().readall()


def main() -> None:
    """Write jobs for ``spot-worker submit``, one a line, or save the film."""
    parser = argparse.ArgumentParser(description="A flight into the Mandelbrot set: its jobs, its film.")
    what = parser.add_subparsers(dest="what", required=True)
    of_frames = what.add_parser("jobs", help="a line for each frame")
    of_frames.add_argument("--frames", type=int, default=36)
    of_frames.add_argument("--width", type=int, default=320)
    of_frames.add_argument("--height", type=int, default=180)
    what.add_parser("film", help="one line, from the results of the frames on standard input")
    what.add_parser("save", help="get the film, from its result on standard input").add_argument("path", type=Path)
    asked = parser.parse_args()
    if asked.what == "save":
        asked.path.write_bytes(finished_film(json.load(sys.stdin)))
        return
    bodies = (
        [film_job(json.load(sys.stdin))] if asked.what == "film" else jobs(asked.frames, (asked.width, asked.height))
    )
    for body in bodies:
        sys.stdout.write(json.dumps(body) + "\n")


if __name__ == "__main__":
    main()
