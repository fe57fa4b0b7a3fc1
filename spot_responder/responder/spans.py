"""Joins traces by recovery, where OpenTelemetry is in use: off unless the setting ``OPENTELEMETRY`` says ``true``.

The Functions host has a span for each invocation; its Python worker passes that on and makes none (read in
azure-functions-runtime 1.3.0, ``otel.configure_opentelemetry``). So the app opens one within it, and what is logged
while a message is answered becomes its attributes: all spans of one recovery are found by ``spot_responder.recovery``.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Final

from opentelemetry import trace

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_MARKS: Final = ("vm", "recovery", "decision", "outcome", "failure")


def span(function: str) -> AbstractContextManager[object]:
    """Open the span of one invocation of a function."""
    return trace.get_tracer("spot_responder").start_as_current_span(function)


class SpanMarker(logging.Filter):
    """Lets every line pass, and notes on the span that is under way what the line is about."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mark the span, if there is one that is recorded."""
        current = trace.get_current_span()
        if current.is_recording():
            fields = json.loads(record.getMessage())
            current.set_attributes({f"spot_responder.{name}": fields[name] for name in _MARKS if name in fields})
        return True
