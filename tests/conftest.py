"""What tests are given."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.stories import StoryAzure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.stories import NewAzure


@pytest.fixture
def new_azure() -> Iterator[NewAzure]:
    """Give what makes a ``StoryAzure``; each ends with the test."""
    with ExitStack() as stack:

        def make(*given: Any, **named: Any) -> StoryAzure:  # noqa: ANN401 - what StoryAzure takes
            return stack.enter_context(closing(StoryAzure(*given, **named)))

        yield make
