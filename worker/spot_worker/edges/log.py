"""The log: a line of JSON for each event, on standard error; and spans, where OpenTelemetry is installed."""

from __future__ import annotations

import json
import queue
import sys
import threading
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from spot_worker.deciding.times import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_worker.edges.progress import Progress

_MOST_LINES: Final = 10_000
_DONE: Final = ("finished", "poison")
_FLUSH_MS: Final = 500
_WRITE_S: Final = 0.3


class JsonLog:
    """Writes in a thread of its own: a reader that is slow or gone must keep no lease from being renewed."""

    def __init__(self, progress: Progress | None = None) -> None:
        """Begin to write. ``progress`` is drawn below the lines; ``counts``: how often what was said."""
        self.progress = progress
        self.counts: Counter[str] = Counter()
        self._lines: queue.Queue[str | None] = queue.Queue(_MOST_LINES)
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()
        self._tracer = _tracer()

    def say(self, event: str, **fields: object) -> None:
        """Write a line. With too many waiting the newest are dropped, but counted."""
        self.counts[event] += 1
        said = {"at": iso(datetime.now(timezone.utc)), "event": event, **fields}
        line = json.dumps({name: value for name, value in said.items() if value not in (None, "")}, default=str)
        try:
            self._lines.put_nowait(line + "\n")
        except queue.Full:
            return

    def claim(self, name: str, attributes: Mapping[str, str | int]) -> AbstractContextManager[None]:
        """Give the span of a claim."""
        if self._tracer is None:
            return nullcontext()
        span: AbstractContextManager[None] = self._tracer.start_as_current_span(name, attributes=dict(attributes))
        return span

    def end(self) -> None:
        """Write what is left, and let spans be sent, for half a second at most."""
        if self._tracer is not None:
            _flush_spans()
        try:
            self._lines.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(_WRITE_S)
        if self.progress:
            self.progress.end()

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            if line is None:
                return
            try:
                # The bar of the line before is written over.
                sys.stderr.write("\r\x1b[K" + line if self.progress and self.progress.shows else line)
                sys.stderr.flush()
                if self.progress:
                    self.progress.show(sum(self.counts[event] for event in _DONE))
            except (OSError, ValueError):
                return


def _flush_spans() -> None:
    """Let what collects spans send them; the interface alone collects none, and has no such method."""
    from opentelemetry import trace  # noqa: PLC0415 - as below

    flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if flush:
        flush(_FLUSH_MS)


def _tracer() -> Any:  # noqa: ANN401 - a library that may not be there
    """Give a tracer that ``opentelemetry-instrument`` or the program has set up; ``None`` without OpenTelemetry."""
    try:
        from opentelemetry import trace  # noqa: PLC0415 - only where somebody wants traces
    except ImportError:
        return None
    return trace.get_tracer("spot_worker")
