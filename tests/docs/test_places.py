"""A file or a section that a page, a comment or an advice names is there; and so are the fields of the log."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PAGES: Final = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").glob("*.md"))]
FOLDERS: Final = [
    REPOSITORY / folder for folder in ("", "spot_responder", "infra", "agent/spot_agent", "worker/spot_worker")
]
"""Paths are written from the repository, or from the product's, the agent's or the worker's own folder."""
NAMED: Final = re.compile(r"`((?!\.local/)[\w.-]+(?:/[\w.-]+)*/[\w.-]+\.(?:py|md|bicep|json|kql|sh|png))`")
CITED: Final = re.compile(r"(?<![\w/-])(?:docs/)?([a-z-]+\.md)`? §(\d+)")
SOURCES: Final = [
    path
    for pattern in (
        "docs/*.md",
        "*.md",
        "spot_responder/**/*.py",
        "agent/**/*.py",
        "worker/**/*.py",
        "soak/**/*.py",
        "tests/**/*.py",
        "infra/*.bicep",
    )
    for path in REPOSITORY.glob(pattern)
    if path != Path(__file__).resolve()
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_file_that_a_page_names_is_there(page: Path) -> None:
    """From the repository's folder or the product's."""
    named = NAMED.findall(page.read_text(encoding="utf-8"))
    assert [name for name in named if not any((folder / name).exists() for folder in FOLDERS)] == []


def test_a_section_that_is_cited_is_there() -> None:
    """Of any page in docs/, wherever it is cited: in pages, code, tests and what the commands advise."""
    cited = {(page, number) for path in SOURCES for page, number in CITED.findall(path.read_text(encoding="utf-8"))}
    assert len(cited) > 5
    missing = [
        f"{page} §{number}"
        for page, number in sorted(cited)
        if not re.search(rf"^## {number}\. ", (REPOSITORY / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_section_that_a_page_names_of_itself_is_there(page: Path) -> None:
    """Where sections are numbered."""
    text = page.read_text(encoding="utf-8")
    own = set(re.findall(r"(?<!\.md` )(?<!\.md )§(\d+)", text))
    assert own <= set(re.findall(r"^## (\d+)\. ", text, re.MULTILINE))


def test_each_field_of_the_log_has_its_row() -> None:
    """Whoever reads a line finds what it says."""
    responder = REPOSITORY / "spot_responder" / "responder"
    written = "".join(each.read_text("utf-8") for each in (responder / "log.py", responder / "work" / "log.py"))
    table = (REPOSITORY / "docs" / "events.md").read_text(encoding="utf-8").partition("| field | what |")[2]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", table.partition("\n\n")[0], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"\w+", row)}
    assert set(re.findall(r'"(\w+)":', written)) == named
