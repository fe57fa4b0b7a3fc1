"""The diagrams of `docs/states.md` name each state as the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from spot_responder.decisions.attempts import AttemptState
from spot_responder.decisions.outcomes import Outcome
from spot_responder.operators.views.status import PoolState

if TYPE_CHECKING:
    from enum import StrEnum

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "states.md"
RECOVERY, GATE = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize(("kind", "diagram"), [(AttemptState, RECOVERY), (Outcome, RECOVERY), (PoolState, GATE)])
def test_each_state_of_the_code_is_drawn(kind: type[StrEnum], diagram: str) -> None:
    """One that is added is drawn."""
    assert [state for state in kind if not re.search(rf"(?<![\w-]){state}(?![\w-])", diagram)] == []
