"""What tests are given."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from coverage import Coverage

from tests.harness.stories import StoryAzure

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.harness.stories import NewAzure

FOLDER: Final = Path(__file__).parent
COVERS: Final = frozenset(
    ("commands", "decisions", "demand", "intake", "offerings", "operators", "responder", "terminal", "trial", "web")
)
"""The folders whose tests have to reach each branch of the pure packages."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure no coverage in the other folders: it would triple the time of a soak, and proves nothing there."""
    for item in items:
        if item.path.is_relative_to(FOLDER) and item.path.relative_to(FOLDER).parts[0] not in COVERS:
            item.add_marker(pytest.mark.no_cover)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let nothing measure where pytest-cov pauses: in a worker of xdist it has begun twice, and one goes on."""
    if item.get_closest_marker("no_cover") is not None and (other := Coverage.current()) is not None:
        other.stop()
    return (yield)


@pytest.fixture
def new_azure() -> Iterator[NewAzure]:
    """Give what makes a ``StoryAzure``; each ends with the test."""
    with ExitStack() as stack:

        def make(*given: Any, **named: Any) -> StoryAzure:  # noqa: ANN401 - what StoryAzure takes
            return stack.enter_context(closing(StoryAzure(*given, **named)))

        yield make
