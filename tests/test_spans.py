"""Traces, where somebody wants them: every span of a recovery can be found by its id."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spot_responder.log_lines import LOG, log_decision, log_unreadable
from spot_responder.situations import Wait
from spot_responder.spans import SpanMarker
from tests.makers import VM_ID, at, evicted, recovery, situation, spot_vm

if TYPE_CHECKING:
    from collections.abc import Callable


def marks_of(write: Callable[[], None]) -> dict[str, object]:
    """Write into the app's log within a span, as the worker makes one for each message; give the span's attributes."""
    exporter, provider, marker = InMemorySpanExporter(), TracerProvider(), SpanMarker()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    level = LOG.level
    LOG.addFilter(marker)
    LOG.setLevel(logging.INFO)
    try:
        with provider.get_tracer("worker").start_as_current_span("on_signal"):
            write()
    finally:
        LOG.removeFilter(marker)
        LOG.setLevel(level)
    (span,) = exporter.get_finished_spans()
    return dict(span.attributes or {})


def test_the_span_of_a_message_is_marked_with_its_recovery() -> None:
    """VM, recovery and decision are its attributes."""
    wait = Wait(at("10:01"), "it is down")
    marks = marks_of(lambda: log_decision(situation(evicted(), spot_vm()), wait, at("10:00"), recovery()))
    assert marks == {
        "spot_responder.vm": str(VM_ID),
        "spot_responder.recovery": recovery().recovery_id,
        "spot_responder.decision": "wait",
    }


def test_without_a_span_nothing_is_marked_and_the_line_is_written() -> None:
    """Nobody traces: the filter is in nobody's way."""
    record = logging.LogRecord("spot_responder", logging.INFO, "", 0, "no JSON at all", None, None)
    assert SpanMarker().filter(record)
    assert not trace.get_current_span().is_recording()


def test_a_line_about_no_vm_marks_nothing() -> None:
    """What could not be read belongs to no recovery."""
    assert marks_of(lambda: log_unreadable("no JSON")) == {}
