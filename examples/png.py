"""Writes PNG pictures, and puts them together to one that moves. Eight bits for red, green and blue each."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_RGB: Final = 2
_UNFILTERED: Final = b"\0"
_FOR_EVER: Final = 0


def picture(size: tuple[int, int], pixels: bytes) -> bytes:
    """Give the PNG of pixels that come row by row, three bytes each."""
    width, height = size
    stride = 3 * width
    rows = b"".join(_UNFILTERED + pixels[row * stride : (row + 1) * stride] for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, _RGB, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")


def film(pictures: Sequence[bytes], frames_a_second: int) -> bytes:
    """Give the moving PNG (APNG) of pictures of one size that ``picture`` made, which plays for ever."""
    head = next(content for kind, content in _chunks(pictures[0]) if kind == b"IHDR")
    size = struct.unpack(">II", head[:8])
    parts = [SIGNATURE, _chunk(b"IHDR", head), _chunk(b"acTL", struct.pack(">II", len(pictures), _FOR_EVER))]
    # Everything that belongs to the moving picture is numbered, in the order in which it stands.
    numbers = iter(range(2 * len(pictures)))
    for index, each in enumerate(pictures):
        control = struct.pack(">IIIIIHHBB", next(numbers), *size, 0, 0, 1, frames_a_second, 0, 0)
        parts.append(_chunk(b"fcTL", control))
        data = b"".join(content for kind, content in _chunks(each) if kind == b"IDAT")
        parts.append(_chunk(b"IDAT", data) if index == 0 else _chunk(b"fdAT", struct.pack(">I", next(numbers)) + data))
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(SIGNATURE)
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        place += length + 12
