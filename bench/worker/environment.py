"""The environment variables by which the bench tells the contenders' processes what they need."""

from __future__ import annotations

from typing import Final

LOG: Final = "BENCH_LOG"
"""The file that the jobs write what they do into, a JSON object a line."""

BROKER: Final = "BENCH_BROKER"
"""Celery's broker."""

LATE: Final = "BENCH_CELERY_LATE"
"""Set where Celery acknowledges a task after its work."""
