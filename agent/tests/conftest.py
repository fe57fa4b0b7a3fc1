"""What tests are given."""

from __future__ import annotations

import pytest

from virtual_vm.vm import VirtualVm


@pytest.fixture
def vm() -> VirtualVm:
    """Give a VM in virtual time, whose agent has just begun and whose name is known."""
    made = VirtualVm(has_units=True)
    made.begin()
    made.wait(3)
    return made
