"""SIGHUP lets new code take over, and at no moment ends a worker."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

from spot_worker.commands.run import hear_signals
from spot_worker.running.stops.stopping import Stopping, Why
from workbench.jumping import VirtualClock
from workbench.virtual import VirtualLog

if TYPE_CHECKING:
    import pytest


def test_from_the_first_moment_to_the_last_sighup_is_heard_or_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before, set_signal = signal.getsignal(signal.SIGHUP), signal.signal
    handlers: list[object] = []

    def seen(number: int, handler: Any) -> Any:  # noqa: ANN401 - whatever a handler may be
        if number == signal.SIGHUP:
            handlers.append(handler)
        return set_signal(number, handler)

    async def story() -> Stopping:
        stopping, log = Stopping(VirtualClock()), VirtualLog()
        hear_signals(stopping, log)
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.wait_for(stopping.asked(), 40.0)
        assert [line["signal"] for line in log.lines] == ["SIGHUP"]
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return stopping

    monkeypatch.setattr(signal, "signal", seen)
    try:
        stopping = asyncio.run(story())
        assert stopping.why is Why.RELOAD
        assert handlers
        assert signal.SIG_DFL not in handlers
        assert handlers[-1] is signal.SIG_IGN
    finally:
        set_signal(signal.SIGHUP, before)
