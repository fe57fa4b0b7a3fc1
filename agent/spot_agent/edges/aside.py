"""Work beside the thread that decides. An edge that takes its time begins it here, and is told if it cannot begin."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def begin_aside(work: Callable[..., None], *given: Any) -> str:  # noqa: ANN401 - whatever the work takes
    """Begin work in a thread of its own. Empty, or why it cannot be begun: the system may be out of threads."""
    try:
        threading.Thread(target=work, args=given, daemon=True).start()
    except RuntimeError as error:
        return f"could not be begun: {error}"
    return ""


def outcome_of(work: Callable[[], str]) -> str:
    """Do work that gives its outcome. An error that nobody thought of is an outcome too: it must be heard."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for the outcome
        return f"a mistake in the agent: {error!r}"
