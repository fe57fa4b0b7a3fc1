"""A collector: each file that comes into a container is a job, and the results are one table.

    az storage blob upload-batch --account-name ACCOUNT --auth-mode login -d files-in -s .   each file is a job
    spot-worker run collect:work --queue files --until-empty
    spot-worker results --queue files --json | python collect.py > table.csv

``docs/work-queues.md`` has VMs do that, which run while there are files, and only then.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spot_worker import Job

COLUMNS: Final = ("name", "lines", "bytes", "sha256")


def work(job: Job) -> object:
    """Read one file, by the address of its blob; what is returned is a row of the table."""
    content = job.fetch(job.body).read_bytes()
    name = unquote(urlsplit(job.body).path).rpartition("/")[2]
    lines = len(content.splitlines())
    return {"name": name, "lines": lines, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def table(results: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give the rows of the table, by name: of what ``spot-worker results --json`` shows, what gave a result."""
    rows = (row["result"] for row in results if isinstance(row.get("result"), dict))
    return iter(sorted(rows, key=lambda row: str(row["name"])))


def main(results: TextIO, into: TextIO) -> None:
    """Write the table as CSV."""
    written = csv.DictWriter(into, COLUMNS)
    written.writeheader()
    written.writerows(table(json.load(results)))


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
