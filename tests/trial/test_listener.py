"""The listener of a trial's VM, as its custom data begins it: alone, and without a metadata service that answers."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
from typing import TYPE_CHECKING

from localazure.guests.guest import Place
from localazure.trial.custom_data import begun_by
from spot_responder.clients.trials.custom_data import custom_data
from spot_responder.trial.views.observations import heard_in

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 65535
NOBODY = "http://127.0.0.1:9"


def test_the_custom_data_has_all_that_the_listener_needs(tmp_path: Path) -> None:
    """It runs with nothing but Python, says what it could not find out, and that it was told to end."""
    assert len(base64.b64decode(custom_data())) < MOST_BYTES
    command = begun_by(custom_data())(Place(NOBODY, tmp_path, ""))
    words = (command.arguments[0], "-S", *command.arguments[1:])
    environment = {**os.environ, **command.environment, "SPOT_IMDS": NOBODY}
    with subprocess.Popen(  # noqa: S603 - our own
        words, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as listener:
        assert listener.stdout is not None
        printed = [listener.stdout.readline() for _ in range(3)]
        listener.send_signal(signal.SIGTERM)
        rest = listener.stdout.read()
    heard = heard_in("".join(printed) + rest)
    assert [each.what for each in heard] == ["boot", "first answer", "service", "told to end"]
    assert heard[1].told["status"] == 0
    assert heard[2].told["name"] is None
    assert "does not answer" in str(heard[2].told["name_refused"])
