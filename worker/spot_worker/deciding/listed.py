"""What a job has listed for its result so far, as it is kept beside a checkpoint.

It stands in a blob of its own: the record is written often, and may be read by people.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from spot_worker.deciding.conversation import SubmitAsked


@dataclass(frozen=True)
class Listed:
    """Names of blobs that are outputs, jobs to submit, and inputs to delete."""

    outputs: tuple[str, ...] = ()
    submitted: tuple[SubmitAsked, ...] = ()
    inputs: tuple[str, ...] = ()


def write_listed(listed: Listed) -> bytes:
    """Write the lists. What they may hold is bounded as it is for a result (``results.py``)."""
    return json.dumps(asdict(listed), separators=(",", ":")).encode()


def read_listed(content: bytes) -> Listed:
    """Read what ``write_listed`` wrote; its SHA-256 has shown that it did."""
    written: dict[str, Any] = json.loads(content)
    submitted = tuple(SubmitAsked(one["queue"], one["body"]) for one in written["submitted"])
    return Listed(tuple(written["outputs"]), submitted, tuple(written["inputs"]))
