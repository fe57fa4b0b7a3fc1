"""All recipes that are played, and what is missing here to play one."""

from __future__ import annotations

import shutil
from typing import Final

from bench.recipes import web
from bench.recipes.dask import DASK
from bench.recipes.kit import SPOT_WORKER
from bench.recipes.prefect import PREFECT
from bench.recipes.queues import CELERY, RQ
from bench.recipes.vm import has_host_names

RECIPES: Final = {recipe.name: recipe for recipe in (CELERY, RQ, DASK, PREFECT, SPOT_WORKER)}
"""But nginx, which has no jobs: it is played by ``web.py``."""


def missing(name: str) -> str:
    """Say what is missing here; empty if the recipe can be played.

    Raises:
        ValueError: there is no such recipe.
    """
    if name != web.NAME and name not in RECIPES:
        message = f"there is no recipe {name!r}: there are {', '.join([*RECIPES, web.NAME])}"
        raise ValueError(message)
    if not has_host_names():
        return "a process may not have a host name of its own here: be root"
    if name == web.NAME:
        return "" if shutil.which("nginx") else "there is no nginx here: Debian's package nginx-light"
    return RECIPES[name].missing()
