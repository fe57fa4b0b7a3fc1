"""The work as a flow. Runs in ``.venv-recipes``."""

from __future__ import annotations

from typing import Any

from prefect import flow

from bench.recipes.software.jobs import work as steps


@flow  # type: ignore[untyped-decorator] # Prefect is not in .venv
def work(body: dict[str, Any]) -> dict[str, Any]:
    """Do the steps of a job."""
    return steps(body)
