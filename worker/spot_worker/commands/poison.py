"""``poison``: the jobs that were given up: ``list``, ``show ID``; ``requeue ID`` lets them be tried again."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spot_worker.commands.options import UsageError, account_of, places_of
from spot_worker.commands.showing import show
from spot_worker.deciding.messages import NewerMessageError
from spot_worker.deciding.names import pointer_name
from spot_worker.deciding.record.pointer_text import NewerPointerError, UnreadablePointerError
from spot_worker.deciding.words import counted
from spot_worker.edges.job_queue import JobQueue
from spot_worker.edges.poison_queue import delete, held, seen
from spot_worker.edges.progress import Progress
from spot_worker.edges.storage import BlobStore
from spot_worker.running.poison_requeue import NoBodyError, Requeued, requeue
from spot_worker.running.ports import StorageError

if TYPE_CHECKING:
    import argparse

    from spot_worker.edges.poison_queue import Held

_OVER: Final = frozenset(what.value for what in Requeued)


def poison(given: argparse.Namespace) -> int:
    """Do what was asked for. Exit code 1 if a job was asked for that is not there, or cannot be requeued."""
    return {"list": _list, "show": _show, "requeue": _requeue}[given.ask](given)


def _list(given: argparse.Namespace) -> int:
    rows = [_row(one) for one in _without_doubles(seen(account_of(given), places_of(given).poison_queue))]
    show(rows, ("job_id", "attempt", "given_up_at", "reason"), as_json=given.json)
    return 0


def _show(given: argparse.Namespace) -> int:
    account, places = account_of(given), places_of(given)
    found = seen(account, places.poison_queue)
    rows = [_row(one) for one in _without_doubles(found) if one.poison.job.id in given.ids]
    store = BlobStore(account, places, 1, Path(tempfile.gettempdir()))
    for row in rows:
        record = asyncio.run(store.read(pointer_name(places.queue, row["job_id"])))
        row["record"] = _json(record.content) if record else None
    sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    return _missing(given, {row["job_id"] for row in rows})


def _requeue(given: argparse.Namespace) -> int:
    if bool(given.ids) == given.all:
        message = "which jobs are to be tried again? Give either ids or --all"
        raise UsageError(message)
    account, places = account_of(given), places_of(given)
    queue, blobs = JobQueue(account, places.queue, 1), BlobStore(account, places, 1, Path(tempfile.gettempdir()))
    done: dict[str, str] = {}
    with held(account, places.poison_queue) as found:
        asked = [one for one in found if given.all or one.poison.job.id in given.ids]
        progress = Progress("looked at", len(asked))
        for number, one in enumerate(asked, start=1):
            try:
                word = _put_back(queue, blobs, places.queue, one)
                if word in _OVER:
                    delete(account, places.poison_queue, one)
            except StorageError:
                progress.end()
                sys.stderr.write(f"spot-worker: {number - 1} of {counted(len(asked), 'message')} looked at\n")
                raise
            if done.get(one.poison.job.id) != Requeued.PUT_BACK.value:
                done[one.poison.job.id] = word
            progress.show(number)
        progress.end()
    rows = [{"job_id": job_id, "done": word} for job_id, word in done.items()]
    show(rows, ("job_id", "done"), as_json=given.json)
    return max(_missing(given, set(done)), int(any(word not in _OVER for word in done.values())))


def _put_back(queue: JobQueue, blobs: BlobStore, name: str, one: Held) -> str:
    try:
        return asyncio.run(requeue(queue, blobs, name, one.poison)).value
    except (NewerMessageError, NewerPointerError) as error:
        return f"not done: {error}; use that version"
    except UnreadablePointerError as error:
        where = pointer_name(name, one.poison.job.id)
        return f"not done: {where}: {error}; delete that blob to let the job begin from nothing"
    except NoBodyError as error:
        return f"not done: {error}"
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001 - a message that nobody has thought of keeps no other from being put back
        return f"not done: {error!r:.300}"


def _without_doubles(found: list[Held]) -> list[Held]:
    """One message for each job: a worker that died while it gave a job up may have sent it twice."""
    return list({one.poison.job.id: one for one in found}.values())


def _row(one: Held) -> dict[str, Any]:
    members = asdict(one.poison)
    job = members.pop("job")
    return {"job_id": job["id"], "body": job["body"], "given_up_at": one.given_up_at, **members}


def _json(content: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")


def _missing(given: argparse.Namespace, found: set[str]) -> int:
    missing = [job_id for job_id in given.ids if job_id not in found]
    for job_id in missing:
        sys.stderr.write(f"spot-worker: job {job_id} is not in the poison queue of {given.queue}\n")
    return 1 if missing else 0
