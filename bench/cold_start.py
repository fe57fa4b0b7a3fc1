"""Cold start: what it takes to import the app and to answer the first message, against the SDKs alone.

Each figure is of a process of its own, the best of a few: what the machine does beside it only ever adds.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]
TRIES: Final = 5
TRIES_WITHOUT_PYC: Final = 2

_MEASURE: Final = """
import json, re, sys, time
began, processor = time.perf_counter(), time.process_time()
exec(sys.argv[1])
most_kb = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]
print(json.dumps({"s": time.perf_counter() - began, "processor_s": time.process_time() - processor,
                  "rss_mb": int(most_kb) / 1024}))
"""
# Not getrusage: its peak is that of the process that started this one, if that was larger.
BARE: Final = """
import azure.functions
import azure.data.tables.aio, azure.eventgrid.aio, azure.identity.aio
import azure.mgmt.compute.aio, azure.mgmt.resourcegraph.aio, azure.storage.queue.aio, aiohttp
"""
"""The SDKs that the app uses, and nothing else."""

_ENVIRONMENT: Final = {
    "AzureWebJobsStorage__queueServiceUri": "https://127.0.0.1:1/account",
    "AzureWebJobsStorage__tableServiceUri": "https://127.0.0.1:1/account",
    "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
    "IDENTITY_ENDPOINT": "http://127.0.0.1:1/msi/token",
    "IDENTITY_HEADER": "none",
}
APP: Final = "import function_app"
READY: Final = "import function_app; function_app.responder()"
FIRST_MESSAGE: Final = """
import asyncio, function_app, azure.functions as func
message = func.QueueMessage(body=b'{"type": "nothing of ours", "source": "/bench", "specversion": "1.0", "id": "1"}')
asyncio.run(function_app.app.get_functions()[0].get_user_function()(message))
"""


def measure() -> dict[str, Any]:
    """Measure all of it."""
    figures = {
        "bare_sdks": _best(BARE),
        "import_function_app": _best(APP),
        "import_and_connect": _best(READY),
        "first_message": _best(FIRST_MESSAGE),
    }
    with tempfile.TemporaryDirectory() as folder:
        # Neither are those read that are there, nor does one try leave some for the next.
        figures |= {
            "bare_sdks_without_pyc": _best(BARE, Path(folder)),
            "import_and_connect_without_pyc": _best(READY, Path(folder)),
        }
    return figures


def _best(code: str, pyc_folder: Path | None = None) -> dict[str, float]:
    tries = [_once(code, pyc_folder) for _ in range(TRIES_WITHOUT_PYC if pyc_folder else TRIES)]
    return {name: round(min(each[name] for each in tries), 3) for name in tries[0]}


def _once(code: str, pyc_folder: Path | None) -> dict[str, float]:
    environment = dict(_ENVIRONMENT)
    if pyc_folder is not None:
        shutil.rmtree(pyc_folder / "pyc", ignore_errors=True)
        environment["PYTHONPYCACHEPREFIX"] = str(pyc_folder / "pyc")
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", _MEASURE, code],
        cwd=REPOSITORY,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told
