"""An operator deals with what nobody could handle: poison messages and dead letters, shown, requeued and dropped."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from spot_responder.intake.signals import SignalKind
from tests.harness.agents import notice
from tests.harness.operators_laptop import OperatorsLaptop, add, command

if TYPE_CHECKING:
    from localazure.laptop import Laptop


def test_what_nobody_could_handle_is_shown_requeued_and_dropped(azure: OperatorsLaptop) -> None:
    """Three poison messages, one of them a sound event, and two blobs of dead letters: five, dealt with one by one."""
    add(azure, "letter-1", power_state="running")
    now = azure.laptop.clock.now()
    event = _preempted(azure.move(lambda laptop: laptop.world.machine("letter-1").vm_id), now.isoformat())
    azure.run(_lay_out(azure.laptop, event))
    listed = azure.operator("replay", "list")
    assert listed.exit_code == 1
    assert "\x1b" not in listed.out
    messages = azure.operator("replay", "list", "--json").content["messages"]
    assert len(messages) == 5
    assert sum(message["reading"]["readable"] for message in messages) == 3
    status = azure.operator("status", "--json").content
    assert (status["queues"]["poison"], status["queues"]["dead_letters"]) == (3, 2)
    dead = [message["dead_letter"] for message in messages if message["dead_letter"]["place"] == "event-dead-letters"]
    shown = azure.operator("replay", "show", dead[0]["dead_letter_id"])
    assert "MaxDeliveryAttemptsExceeded after 30 tries, the last one NotFound" in shown.out
    assert '"annotationName": "VirtualMachinePreempted"' in shown.out
    assert azure.operator("replay", "requeue", dead[0]["dead_letter_id"]).out == "1 message requeued\n"
    assert azure.operator("replay", "drop", dead[1]["dead_letter_id"]).out == "1 message dropped\n"
    assert azure.operator("replay", "show", dead[1]["dead_letter_id"]).exit_code == 1
    all_back = azure.operator("replay", "requeue", "--all")
    assert all_back.exit_code == 1
    assert all_back.out.startswith("1 message requeued\n")
    assert all_back.out.count("the app cannot read it") == 2
    assert azure.operator("replay", "drop", "--all").out == "2 messages dropped\n"
    assert azure.operator("replay", "list").exit_code == 0
    row = azure.until_row("letter-1", "told of what was requeued", lambda row: row.evidence.evicted_at is not None)
    assert row.opened_by is SignalKind.EVICTED


def test_whatever_lies_among_the_dead_letters_can_be_looked_at_and_dropped(azure: OperatorsLaptop) -> None:
    """Deep, binary, empty, huge: each is one dead letter, and status goes on."""
    contents = [b"[" * 100_000, b"\xff\xfe\x00\x1b[31m", b"", b'"' + b"y" * 100_000 + b'"', b"[1, null]"]

    async def lay_out() -> None:
        for number, content in enumerate(contents):
            await azure.laptop.dead_letters.container.upload_blob(f"odd/{number}", content)

    azure.run(lay_out())
    assert azure.operator("status", "--json").content["queues"]["dead_letters"] == 5
    messages = azure.operator("replay", "list", "--json").content["messages"]
    assert {message["reading"]["what"] for message in messages} == {"unreadable", "2 events: unreadable"}
    for message in messages:
        shown = azure.operator("replay", "show", message["dead_letter"]["dead_letter_id"])
        assert (shown.exit_code, shown.err) == (0, "")
        assert "\x1b" not in shown.out
    assert azure.operator("replay", "drop", "--all").out == "5 messages dropped\n"
    assert azure.operator("replay", "list").exit_code == 0


def test_an_event_in_a_list_in_a_blob_is_requeued_as_what_it_is(azure: OperatorsLaptop) -> None:
    """As the app would read it."""
    vm_id = add(azure, "listed-1", power_state="running")
    event = _preempted(vm_id, azure.laptop.clock.now().isoformat())

    async def lay_out() -> None:
        await azure.laptop.dead_letters.container.upload_blob("listed", json.dumps([[event]]))

    azure.run(lay_out())
    assert azure.operator("replay", "requeue", "--all").out == "1 message requeued\n"
    azure.until_row("listed-1", "told", lambda row: row.evidence.evicted_at is not None)


def test_of_two_who_drop_a_blob_one_has_dropped_it(azure: OperatorsLaptop) -> None:
    """The other one finds nothing, and blames nobody."""

    async def lay_out() -> None:
        events = [{"no": number} for number in range(12)]
        await azure.laptop.dead_letters.container.upload_blob("many", json.dumps(events))

    azure.run(lay_out())
    environment, folder = dict(azure.laptop.operator), azure.folder
    with ThreadPoolExecutor() as several:
        drops = [
            several.submit(command, "replay", "drop", "--all", environment=environment, folder=folder) for _ in range(2)
        ]
        done = [drop.result() for drop in drops]
    assert sum(each.out.startswith("1 message dropped") for each in done) == 1
    assert azure.operator("replay", "list").exit_code == 0


def test_more_than_a_queue_shows_is_said_and_dealt_with_in_turn(azure: OperatorsLaptop) -> None:
    """A queue shows its first 32 messages: what lies behind them is not taken for nothing."""

    async def lay_out() -> None:
        for number in range(35):
            await azure.laptop.poison.send_message(f"rubbish {number}")

    azure.run(lay_out())
    front = azure.operator("replay", "list", "--json").content["messages"]
    assert len(front) == 32
    behind = "3 more messages in signals-poison behind these: deal with these, then look again"
    assert behind in azure.operator("replay", "list").out
    first = azure.operator("replay", "drop", "--all")
    assert first.exit_code == 1
    assert first.out.startswith("32 messages dropped\n3 more messages")
    second = azure.operator("replay", "drop", "--all")
    assert (second.exit_code, second.out) == (0, "3 messages dropped\n")


def test_two_who_drop_the_same_do_not_blame_the_message(azure: OperatorsLaptop) -> None:
    """Whoever comes second is told that it is gone."""

    async def lay_out() -> None:
        await azure.laptop.poison.send_message("rubbish")

    azure.run(lay_out())
    with ThreadPoolExecutor() as both:
        environment, folder = dict(azure.laptop.operator), azure.folder
        drops = [
            both.submit(command, "replay", "drop", "--all", environment=environment, folder=folder) for _ in range(2)
        ]
        done = [drop.result() for drop in drops]
    assert sum("1 message dropped" in each.out for each in done) == 1
    assert not any("cannot read" in each.out or each.err for each in done)


def test_what_an_agent_told_goes_back_through_its_own_door(azure: OperatorsLaptop) -> None:
    """Requeued, it is a hint as before; an event of Azure's that lies there is none, and does nothing."""
    vm_id = add(azure, "told-1", power_state="running")
    now = azure.laptop.clock.now()

    async def lay_out() -> None:
        await azure.laptop.agents_poison.send_message(json.dumps(notice(vm_id, now)))
        await azure.laptop.agents_poison.send_message(json.dumps(_preempted(vm_id, now.isoformat())))

    azure.run(lay_out())
    listed = azure.operator("replay", "list").out
    assert "agent_noticed (Preempt)" in listed
    assert "asks nothing of us" in listed
    assert azure.operator("replay", "requeue", "--all").out == "2 messages requeued\n"
    row = azure.until_row("told-1", "noticed", lambda row: row.evidence.noticed_at is not None)
    assert (row.opened_by, row.evidence.evicted_at) == (SignalKind.AGENT_NOTICED, None)


def _preempted(vm_id: str, occurred_at: str) -> dict[str, object]:
    info = {
        "id": vm_id,
        "properties": {
            "targetResourceId": vm_id,
            "annotationName": "VirtualMachinePreempted",
            "occurredTime": occurred_at,
        },
    }
    return {
        "specversion": "1.0",
        "id": "again",
        "source": "/subscriptions/s",
        "type": "Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated",
        "time": "2026-03-02T10:00:00Z",
        "data": {"resourceInfo": info},
    }


async def _lay_out(laptop: Laptop, event: dict[str, object]) -> None:
    """Put three messages into the poison queue, and two blobs, one of them with two events, into the container."""
    await laptop.poison.send_message("rubbish \u241b[31m")
    await laptop.poison.send_message(json.dumps(event))
    await laptop.poison.send_message('{"no": "event"}')
    reason = {
        "deadletterreason": "MaxDeliveryAttemptsExceeded",
        "deliveryattempts": 30,
        "lastdeliveryoutcome": "NotFound",
    }
    dead = [event | reason | {"id": "dead-1"}, event | reason | {"id": "dead-2"}]
    for name, events in (("a", dead), ("b", dead[:1])):
        await laptop.dead_letters.container.upload_blob(f"topic/subscription/10/{name}.json", json.dumps(events))
