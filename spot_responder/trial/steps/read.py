"""Step *read*: what can be seen without creating anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import text_field
from spot_responder.trial.field import COMPUTE, RESOURCES

if TYPE_CHECKING:
    from spot_responder.trial.field import Field

_SETS: Final = 5
_BURST: Final = 18
"""More queries than Resource Graph takes in five seconds."""
_PRIORITIES: Final = (
    "resources | where type =~ 'microsoft.compute/virtualmachines' "
    "| summarize vms = count() by priority = tostring(properties.priority)"
)
_SCALE_SETS: Final = "resources | where type =~ 'microsoft.compute/virtualmachinescalesets' | project id, properties"
_INSTANCES: Final = (
    "resources | where type =~ 'microsoft.compute/virtualmachines' "
    "| where isnotempty(tostring(properties.virtualMachineScaleSet.id)) "
    "| extend scaleSetKey = tolower(tostring(properties.virtualMachineScaleSet.id)) "
    "| join kind=leftouter (resources | where type =~ 'microsoft.compute/virtualmachinescalesets' "
    "| project scaleSetKey = tolower(id), mode = tostring(properties.orchestrationMode)) on scaleSetKey "
    "| project id, mode | take 5"
)
_FLEETS: Final = (
    "resources | where type =~ 'microsoft.azurefleet/fleets' "
    "| project id, maintain = properties.spotPriorityProfile.maintain"
)


async def read(field: Field) -> None:
    """Ask ARM and Resource Graph about what is there."""
    scope = field.plan.scope
    await field.ask("subscription", "GET", scope, RESOURCES)
    for name, kql in (
        ("priorities", _PRIORITIES),
        ("scale sets", _SCALE_SETS),
        ("instances of scale sets", _INSTANCES),
        ("fleets", _FLEETS),
    ):
        await field.query(name, kql)
    listed = field.seen.last("scale sets")
    for row in (listed.rows if listed else [])[:_SETS]:
        await field.ask("scale set", "GET", text_field(row, "id"), COMPUTE)
    aliases = f"{scope}/providers/Microsoft.Compute?$expand=resourceTypes/aliases"
    await field.ask("aliases", "GET", aliases, RESOURCES)


async def burst(field: Field) -> None:
    """Step *quota*: ask Resource Graph more often than it answers. It is the last, for others are refused meanwhile."""
    for _ in range(_BURST):
        answer = await field.azure.query(field.plan.subscription, "resources | project id | take 1")
        field.note("query in a burst", answer)
