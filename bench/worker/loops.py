"""Two workers as people write them: the seed's, which deletes a message after its work, and one that deletes it before.

``python -m bench.worker.loops submit QUEUE`` reads jobs, one a line; ``… run QUEUE before|after`` works until it is
ended. Neither has a checkpoint, and neither renews its lease.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Final

from azure.storage.queue import QueueClient

from bench.worker.jobs import work

VISIBLE_AGAIN_AFTER_S: Final = 30
"""Also the service's default."""

_PAUSE_S: Final = 1.0
"""While the queue is empty. The seed's worker asks as often."""


def submit(queue: QueueClient) -> None:
    """Put each line of standard input into the queue."""
    for line in sys.stdin:
        queue.send_message(line.strip(), time_to_live=-1)


def run(queue: QueueClient, deletes: str) -> None:
    """Take one message after the other."""
    while True:
        message = queue.receive_message(visibility_timeout=VISIBLE_AGAIN_AFTER_S)
        if message is None:
            time.sleep(_PAUSE_S)
            continue
        if deletes == "before":
            queue.delete_message(message)
        work(json.loads(message.content))
        if deletes == "after":
            queue.delete_message(message)


def main() -> None:
    """Do what the command line says."""
    what, name, *more = sys.argv[1:]
    with QueueClient.from_connection_string(os.environ["AZURE_STORAGE_CONNECTION_STRING"], name) as queue:
        submit(queue) if what == "submit" else run(queue, *more)


if __name__ == "__main__":
    main()
