"""Whether a VM's guest has power, from what the world shows of the VM. Pure.

``guests.py`` goes by it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from localazure.world.machines import PowerState

if TYPE_CHECKING:
    from datetime import datetime

    from localazure.world.machines import Condition, Machine


class Power(StrEnum):
    """What the guest has."""

    ON = "on"
    SHUTTING_DOWN = "shutting down"
    """Somebody asked the VM to stop: the guest is told, and has until it is off."""
    OFF = "off"


def power_and_boot(machine: Machine) -> tuple[Power, int]:
    """Give the power now, and how many times it was switched on until now.

    An eviction takes the power at once: that a guest is told to shut down then is promised nowhere.
    """
    power, boots = Power.OFF, 0
    down_since: datetime | None = None
    for at, condition in machine.conditions:
        if condition.power_state is not PowerState.DEALLOCATING:
            down_since = None
        elif down_since is None:
            down_since = at
        before, power = power, _power(condition, evicted=down_since in machine.evictions)
        if power is Power.ON and before is not Power.ON:
            boots += 1
    return (Power.OFF if machine.deleted_at is not None else power), boots


def _power(condition: Condition, *, evicted: bool) -> Power:
    match condition.power_state:
        case PowerState.RUNNING:
            # It is shown as running while it is restarted, or deleted.
            is_steady = condition.provisioning_state not in {"Updating", "Deleting"}
            return Power.ON if is_steady else Power.SHUTTING_DOWN
        case PowerState.STOPPING:
            return Power.SHUTTING_DOWN
        case PowerState.DEALLOCATING:
            return Power.OFF if evicted else Power.SHUTTING_DOWN
        case PowerState.STARTING | PowerState.STOPPED | PowerState.DEALLOCATED:
            return Power.OFF
