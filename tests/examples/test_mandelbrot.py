"""The flight into the Mandelbrot set: an interrupted frame is the same picture, and the film has every frame."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import mandelbrot
import png
import pytest
from mandelbrot import frame

SMALL = {"number": 3, "of": 9, "at": 0.4, "width": 24, "height": 12}
ROW_BYTES = 3 * 24


class Stopped(BaseException):
    """What ends an attempt at a safe point."""


@dataclass
class Attempt:
    """One attempt at a small frame, as the function sees it: each row is saved; after ``rows`` rows it has to stop."""

    workdir: Path
    last: Path | None = None
    rows: int | None = None
    due: bool = True
    stop_requested: bool = False
    saves: int = 0

    @property
    def body(self) -> dict[str, Any]:
        """Give the frame."""
        return SMALL

    @property
    def checkpoint(self) -> Attempt:
        """Give the checkpoint, which is no object of its own here."""
        return self

    def load(self) -> Path | None:
        """Give what the attempt before this one has saved."""
        return self.last

    def save_file(self, path: Path) -> None:
        """Keep it for the next attempt."""
        self.last = self.workdir / "saved"
        self.last.write_bytes(path.read_bytes())
        self.saves += 1
        if self.saves == self.rows:
            raise Stopped

    def output(self, path: Path, name: str) -> str:
        """Tell where it is."""
        assert path.name == name
        return str(path)


def rendered(attempt: Attempt) -> bytes:
    """Work on the frame until it is done; give the picture."""
    result = cast("dict[str, str]", frame(cast("Any", attempt)))
    return Path(result["png"]).read_bytes()


def chunks(picture: bytes) -> list[tuple[bytes, bytes]]:
    """Read a PNG in the most literal way, with its checksums."""
    assert picture.startswith(png.SIGNATURE)
    place, found = len(png.SIGNATURE), []
    while place < len(picture):
        length, kind = struct.unpack_from(">I4s", picture, place)
        content = picture[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", picture, place + 8 + length) == (zlib.crc32(kind + content),)
        found.append((kind, content))
        place += 12 + length
    return found


def test_a_frame_that_was_interrupted_is_the_same_picture_and_no_row_is_rendered_twice(tmp_path: Path) -> None:
    """Stopped after five of twelve rows, and after three more, the third attempt has four left."""
    places = [tmp_path / str(number) for number in range(4)]
    for place in places:
        place.mkdir()
    undisturbed = rendered(Attempt(places[0]))
    first = Attempt(places[1], rows=5)
    with pytest.raises(Stopped):
        frame(cast("Any", first))
    second = Attempt(places[2], last=first.last, rows=3)
    with pytest.raises(Stopped):
        frame(cast("Any", second))
    third = Attempt(places[3], last=second.last)
    assert rendered(third) == undisturbed
    assert third.saves == 4


def test_the_film_has_every_frame_in_its_order() -> None:
    """Read chunk by chunk, as a browser does: each frame has its control, and the numbers leave none out."""
    frames = [bytes([shade]) * 2 * ROW_BYTES for shade in (10, 20, 30)]
    found = chunks(png.film([png.picture((24, 2), pixels) for pixels in frames], frames_a_second=12))
    assert [kind for kind, _ in found] == [
        *(b"IHDR", b"acTL", b"fcTL", b"IDAT"),
        *(b"fcTL", b"fdAT", b"fcTL", b"fdAT", b"IEND"),
    ]
    numbered = [struct.unpack_from(">I", content)[0] for kind, content in found if kind in (b"fcTL", b"fdAT")]
    assert numbered == list(range(5))
    data = [content[4 * (kind == b"fdAT") :] for kind, content in found if kind in (b"IDAT", b"fdAT")]
    rows = [zlib.decompress(each) for each in data]
    assert [each[1 : 1 + ROW_BYTES] + each[2 + ROW_BYTES :] for each in rows] == frames


def test_the_films_job_names_the_frames_by_their_numbers_and_nothing_else() -> None:
    """Results come in any order, and the table may have results of other jobs."""
    results: list[dict[str, Any]] = [
        {"job_id": "b", "result": {"number": 1, "of": 2, "png": "second"}},
        {"job_id": "c", "result": {"film": "of yesterday"}},
        {"job_id": "a", "result": {"number": 0, "of": 2, "png": "first"}},
        {"job_id": "d", "result": None},
    ]
    assert mandelbrot.film_job(results) == {"frames": ["first", "second"]}
    with pytest.raises(SystemExit, match="1 frames have a result, which is not all"):
        mandelbrot.film_job(results[:2])
    with pytest.raises(SystemExit, match="0 frames"):
        mandelbrot.film_job([])
