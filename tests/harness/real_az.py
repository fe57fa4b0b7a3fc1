"""Microsoft's own az, in the environment that ``make az-cli`` makes for it; tests that need it are skipped without."""

from __future__ import annotations

from typing import Final

import pytest

from tests.harness.az_commands import REPOSITORY

AZ: Final = REPOSITORY / ".venv-az" / "bin" / "az"
AZ_PYTHON: Final = AZ.with_name("python")

needs_az: Final = pytest.mark.skipif(not AZ.exists(), reason="az is not installed: make az-cli")
