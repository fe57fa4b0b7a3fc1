"""Spot Responder's triggers. The product is in ``spot_responder``; here it is put together, and nothing else."""

import json
import os
import random
import uuid
from datetime import UTC, datetime
from functools import cache, partial

import azure.functions as func

from spot_responder.intake.signals import Inbox
from spot_responder.responder.log import keep_libraries_quiet
from spot_responder.responder.pool_gates import Gates
from spot_responder.responder.responder import Responder
from spot_responder.responder.sizes.offerings import offered
from spot_responder.settings import DEFAULT_SCHEDULE, Settings

# How the Functions library spells the Event Grid schema's fields, and how Event Grid does.
ENVELOPE = {"event_type": "eventType", "event_time": "eventTime", "data_version": "dataVersion"}
keep_libraries_quiet()
SETTINGS = Settings.from_env(os.environ)
app = func.FunctionApp()


@cache
def responder() -> Responder:
    """Put the responder together when the first signal needs it: Azure's SDKs take their time to import."""
    from spot_responder.clients.connections import connect  # noqa: PLC0415 - see above

    ports = connect(SETTINGS)
    clock = partial(datetime.now, UTC)
    prices, offerings = offered(ports, clock)
    return Responder(
        ports=ports,
        gates=Gates(ports.store),
        settings=SETTINGS,
        clock=clock,
        jitter=random.random,
        new_id=lambda: str(uuid.uuid4()),
        prices=prices,
        offerings=offerings,
    )


@app.queue_trigger(arg_name="message", queue_name="signals", connection="AzureWebJobsStorage")
async def on_signal(message: func.QueueMessage) -> None:
    """Answer one message: an event that Event Grid put on the queue, a follow-up, or a find of the sweep."""
    await responder().handle(message.get_body(), delivery=message.dequeue_count or 1)


@app.queue_trigger(arg_name="message", queue_name="agents", connection="AzureWebJobsStorage")
async def on_agent(message: func.QueueMessage) -> None:
    """Answer one message of an agent. Only an agent's word is taken from that queue: its messages carry no sender."""
    await responder().handle(message.get_body(), inbox=Inbox.AGENTS, delivery=message.dequeue_count or 1)


async def on_wake(message: func.QueueMessage) -> None:
    """Answer one wake: look at the work queue that it names."""
    await responder().wake(message.get_body())


if SETTINGS.work_queues:
    # Without work queues there is no queue of wakes either, and the host would ask for it all the time.
    app.queue_trigger(arg_name="message", queue_name="wakes", connection="AzureWebJobsStorage")(on_wake)


@app.event_grid_trigger(arg_name="event")
async def on_event(event: func.EventGridEvent) -> None:
    """Answer one event that Event Grid pushed: for those who chose push over the queue."""
    body = json.dumps({ENVELOPE.get(name, name): value for name, value in event.to_dict().items()})
    await responder().handle(body)


@app.timer_trigger(
    arg_name="timer", schedule="%SWEEP_SCHEDULE%" if os.environ.get("SWEEP_SCHEDULE", "").strip() else DEFAULT_SCHEDULE
)
async def sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host insists on it
    """Put a find on the queue for every VM that needs us and that no event told of."""
    await responder().sweep()


@app.route(route="status", methods=["GET"], auth_level=func.AuthLevel.FUNCTION, trigger_arg_name="request")
async def status(request: func.HttpRequest) -> func.HttpResponse:
    """Show what is going on to whoever has the function's key: a page for people, JSON for programs."""
    from spot_responder.clients.operator_connections import operator_ports  # noqa: PLC0415 - see above
    from spot_responder.web.status import HEADERS, show_status  # noqa: PLC0415 - see above

    accept = request.headers.get("Accept", "")
    shown = await show_status(accept, lambda: operator_ports(SETTINGS), SETTINGS, datetime.now(UTC))
    return func.HttpResponse(
        shown.body, status_code=shown.status, headers=HEADERS, mimetype=shown.media_type, charset="utf-8"
    )
