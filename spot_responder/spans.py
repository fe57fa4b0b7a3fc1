"""Joins traces by recovery, where OpenTelemetry is in use: off unless the setting ``OPENTELEMETRY`` says ``true``.

The Functions host and its worker make the spans. What is logged while a message is answered becomes attributes of its
span, so that all spans of one recovery are found by ``spot_responder.recovery``.
"""

from __future__ import annotations

import json
import logging
from typing import Final

from opentelemetry import trace

_MARKS: Final = ("vm", "recovery", "decision", "outcome", "failure")


class SpanMarker(logging.Filter):
    """Lets every line pass, and notes on the span that is under way what the line is about."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mark the span, if there is one that is recorded."""
        span = trace.get_current_span()
        if span.is_recording():
            fields = json.loads(record.getMessage())
            span.set_attributes({f"spot_responder.{name}": fields[name] for name in _MARKS if name in fields})
        return True
