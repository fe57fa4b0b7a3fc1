"""Traces, where somebody wants them: every span of a recovery can be found by its id."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spot_responder.decisions.situations import Wait
from spot_responder.responder.log import LOG, log_decision, log_unreadable
from spot_responder.responder.spans import SpanMarker
from tests.harness.makers import VM_ID, at, evicted, recovery, situation, spot_vm

if TYPE_CHECKING:
    from collections.abc import Callable


REPOSITORY = Path(__file__).parents[2]
NOWHERE = "https://127.0.0.1:1"
TRACED = {
    "OPENTELEMETRY": "true",
    "PYTHON_ENABLE_OPENTELEMETRY": "true",
    "AzureWebJobsStorage__queueServiceUri": NOWHERE,
    "AzureWebJobsStorage__tableServiceUri": NOWHERE,
    # A credential that fails at once, and looks for nothing on this machine.
    "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
}
IN_THE_WORKER = """
import asyncio, json, logging, pathlib
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from localazure.functions.worker import Invocation, TypedData, invoke, load_app
from tests.harness.stories import preempted

async def run():
    functions = {each.name: each for each in await load_app(pathlib.Path.cwd())}
    logging.getLogger("spot_responder").setLevel(logging.INFO)
    await invoke(functions["on_signal"], Invocation("message", TypedData(string=json.dumps(preempted("render-1")))))

exporter = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
asyncio.run(run())
print(json.dumps([[span.name, dict(span.attributes)] for span in exporter.get_finished_spans()]))
"""


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


def test_in_microsofts_worker_each_invocation_has_a_span_that_is_marked() -> None:
    """A real start of the app with ``OPENTELEMETRY=true``, and one message: the worker itself opens no span."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", IN_THE_WORKER],
        env=kept | TRACED,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    ((name, marks),) = json.loads(done.stdout.splitlines()[-1])
    assert name == "on_signal"
    assert str(marks["spot_responder.vm"]).endswith("/virtualMachines/render-1")
