"""Each citation of a fact about Azure leads to a heading of `docs/azure-facts.md`, and each fact there has a source."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PAGE: Final = REPOSITORY / "docs" / "azure-facts.md"
KINDS: Final = frozenset({".bicep", ".json", ".kql", ".md", ".mjs", ".py", ".sh", ".toml", ".yaml", ".yml"})
NOT_OURS: Final = frozenset({"node_modules", "build", "dist"})

ID: Final = r"[a-z]+-\d+"
_CITATION: Final = re.compile(rf"docs/azure-facts\.md`{{0,2}}(?:\s|#)+((?:{ID})(?:(?:,| and)\s+{ID})*)?")
_OLD: Final = re.compile(r"\bfacts/\w+\.md")


def _texts() -> dict[str, str]:
    """Read every text of the repository but this test, without comment marks: a citation may go over a line's end."""
    found = {}
    for path in sorted(REPOSITORY.rglob("*")):
        parts = path.relative_to(REPOSITORY).parts
        skipped = any(part in NOT_OURS or (part.startswith(".") and part != ".github") for part in parts)
        if not skipped and path.suffix in KINDS and path.is_file() and path != Path(__file__).resolve():
            text = path.read_text(encoding="utf-8")
            found["/".join(parts)] = re.sub(r"\n\s*(?:#|//)\s", "\n", text)
    return found


TEXTS: Final = _texts()
FACTS: Final = re.findall(rf"^### ({ID})$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def _cited(text: str) -> set[str]:
    return {fact for match in _CITATION.finditer(text) for fact in re.findall(ID, match[1] or "")}


CITED: Final = {where: _cited(text) for where, text in TEXTS.items() if where != "docs/azure-facts.md" and _cited(text)}


def test_each_citation_leads_to_a_fact() -> None:
    """Where it does not: mend the citation, or add the fact with its source."""
    assert len(CITED) > 30
    assert {where: lost for where, cited in CITED.items() if (lost := cited - set(FACTS))} == {}


def test_each_fact_is_cited() -> None:
    """The page has what the code rests on, and no more."""
    assert set(FACTS) - set().union(*CITED.values()) == set()


def test_no_id_is_given_twice() -> None:
    """A citation leads to one place."""
    assert len(set(FACTS)) == len(FACTS)


def test_nothing_cites_pages_outside_the_repository() -> None:
    """Pages of notes that a reader does not have are no source."""
    assert [where for where, text in TEXTS.items() if _OLD.search(text)] == []


def test_each_source_that_a_fact_names_is_listed_and_each_listed_one_is_named() -> None:
    """So that a reader can check a fact."""
    facts, sources = PAGE.read_text(encoding="utf-8").split("\n## Sources\n")
    named = set(re.findall(r"\[([a-z0-9-]+)\]", facts))
    listed = set(re.findall(r"^- \[([a-z0-9-]+)\]: ", sources, re.MULTILINE))
    assert len(listed) > 25
    assert named == listed
