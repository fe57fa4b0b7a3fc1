"""The check of the queries, run as `make check` runs it: node, Microsoft's Kusto parser, real files."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CHECK = REPOSITORY / "tools" / "check_queries.mjs"
HEAD = "// Azure Resource Graph Query\n// What a test asks.\n"
LOGS_HEAD = "// Log Analytics Query\n// What a test asks.\n"
LOGS_WORDS = """let failed = AppRequests | where Success == false;
AppTraces
| where TimeGenerated > ago(1h) and SeverityLevel >= 2
| extend line = parse_json(Message)
| lookup kind=leftouter (failed | project OperationId, DurationMs) on OperationId
| join kind=fullouter AppExceptions on OperationId
| summarize count(), percentile(DurationMs, 95) by bin(TimeGenerated, 1h), tostring(line.event)
| render timechart
"""
ALL_THE_WORDS = """resources
| where type =~ 'microsoft.compute/virtualmachines' and id in~ ('{vm_ids}')
| extend size = tostring(properties.hardwareProfile.vmSize)
| parse id with '/subscriptions/' subscription '/' rest
| join kind=leftouter (HealthResources | project id, health = properties) on id
| union (resourcecontainers | project id, name)
| mv-expand bagexpansion=array tags
| project-away rest
| project id, name, size, subscription, health, tags
| order by id asc
| limit 3
"""

REFUSED = {
    "misspelt-word": ("resources | wher id == 'a'", "3:13: Query operator expected."),
    "open-string": ("resources | where id == 'a", "3:27: Missing: '"),
    "column-of-no-table": (
        "resources\n| where powerState == 'a'",
        "4:9: The name 'powerState' does not refer to any known column, table, variable or function.",
    ),
    "no-table": (
        "virtualmachines | take 1",
        "3:1: The name 'virtualmachines' does not refer to any known table, tabular variable or function.",
    ),
    "operator-of-kusto-only": (
        "resources | lookup (resources) on id",
        "3:13: Resource Graph does not know the operator 'lookup'.",
    ),
    "synonym-of-kusto-only": (
        "resources | project id | filter id == 'a'",
        "3:26: Resource Graph does not know the operator 'filter'.",
    ),
    "let": (
        "let wanted = 'a'; resources | where id == wanted",
        "3:1: Resource Graph does not know the statement 'let'.",
    ),
    "join-kind": (
        "resources | join kind=fullouter (resources) on id",
        "3:18: Resource Graph does not know the join kind 'fullouter'.",
    ),
    "table-in-the-query": (
        "datatable(id: string)['a'] | take 1",
        "3:1: Resource Graph does not know datatable: use a table.",
    ),
    "second-query": (
        "resources | take 1; resources | take 2",
        "3:21: A file holds one query: this is a second one.",
    ),
    "no-query": ("", "1:1: The file holds no query."),
}


@dataclass(frozen=True)
class Check:
    """What the check said of a folder and how it ended."""

    exit_code: int
    lines: list[str]
    error: str


def check(folder: Path) -> Check:
    """Run the check over a folder of queries, from that folder."""
    ended = subprocess.run(  # noqa: S603 - our own script, and a folder that pytest made
        ["node", CHECK, folder],  # noqa: S607 - node is where the machine has it
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Check(ended.returncode, ended.stdout.splitlines(), ended.stderr.strip())


def check_query(folder: Path, query: str, head: str = HEAD) -> Check:
    """Run the check over one query, in the file q.kql."""
    (folder / "q.kql").write_text(head + query, encoding="utf-8")
    return check(folder)


def test_our_own_queries_have_no_problems() -> None:
    """The queries that we deploy are what Resource Graph and Log Analytics understand."""
    ours = check(REPOSITORY / "queries")
    assert ours.exit_code == 0, ours.lines
    assert ours.lines[-1].endswith("no problems")


def test_every_word_that_resource_graph_knows_may_be_used(tmp_path: Path) -> None:
    """A query of documented operators passes, with tables in either casing and our placeholders in it."""
    assert check_query(tmp_path, ALL_THE_WORDS) == Check(0, ["1 query, no problems"], "")


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Check all the queries of REFUSED at once, each in a file of its own."""
    folder = tmp_path_factory.mktemp("refused")
    for name, (query, _) in REFUSED.items():
        (folder / f"{name}.kql").write_text(HEAD + query, encoding="utf-8")
    return check(folder)


@pytest.mark.parametrize("name", REFUSED)
def test_what_resource_graph_would_refuse_is_told_with_its_place(refused: Check, name: str) -> None:
    """A query that Resource Graph would refuse fails the check, which says file, line, column and what is wrong."""
    _, problem = REFUSED[name]
    told = [line for line in refused.lines if line.startswith(f"{name}.kql:")]
    assert told[:1] == [f"{name}.kql:{problem}"]
    assert refused.exit_code == 1


@pytest.mark.parametrize(
    ("step", "most", "name"),
    [
        ("| join kind=inner (resources | project id) on id", 3, "joins"),
        ("| union resources", 3, "union legs"),
        ("| mv-expand tags", 2, "mv-expands"),
    ],
)
def test_as_many_as_resource_graph_allows_and_not_one_more(tmp_path: Path, step: str, most: int, name: str) -> None:
    """Joins, unions and mv-expands are counted over the whole query, and the first that is too many is shown."""
    allowed = check_query(tmp_path, "\n".join(["resources", *[step] * most]))
    assert allowed == Check(0, ["1 query, no problems"], "")

    too_many = check_query(tmp_path, "\n".join(["resources", *[step] * (most + 1)]))
    assert too_many.exit_code == 1
    [line] = too_many.lines
    assert line.startswith(f"q.kql:{4 + most}:")
    assert line.endswith(f": {most + 1} {name}: Resource Graph allows {most} in a query.")


def test_joins_inside_joins_are_counted_too(tmp_path: Path) -> None:
    """A join in the right-hand side of another one counts as well."""
    inner = "resources | project id"
    for _ in range(4):
        inner = f"resources | join kind=inner ({inner}) on id | project id"
    assert check_query(tmp_path, inner).lines[-1].endswith("4 joins: Resource Graph allows 3 in a query.")


@pytest.mark.parametrize(
    ("head", "place"),
    [
        pytest.param("\n// What a test asks.\n", "q.kql:1:1: Line 1 must be", id="not marked"),
        pytest.param("// Azure Resource Graph Query\n\n", "q.kql:2:1: Line 2 must say", id="no purpose"),
        pytest.param("// Azure Resource Graph Query\n// all\n", "q.kql:2:1: Line 2 must say", id="no sentence"),
        pytest.param("// Azure Resource Graph Query\n// One. Two.\n", "q.kql:2:1: Line 2 must say", id="two sentences"),
    ],
)
def test_a_query_says_what_it_is_and_what_it_is_for(tmp_path: Path, head: str, place: str) -> None:
    """A file that does not begin with the mark and one sentence of purpose fails the check."""
    found = check_query(tmp_path, "resources | take 1", head)
    assert found.exit_code == 1
    [line] = found.lines
    assert line.startswith(place)


def test_queries_in_folders_are_read_too(tmp_path: Path) -> None:
    """A query in a folder of its own is checked as one for Resource Graph."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "wrong.kql").write_text(HEAD + "AppTraces | take 1", encoding="utf-8")
    found = check(tmp_path)
    assert found.exit_code == 1
    assert [line.rpartition(":")[0] for line in found.lines] == ["more/wrong.kql:3:1"]


def check_log_query(folder: Path, query: str, head: str = LOGS_HEAD) -> Check:
    """Run the check over one query for Log Analytics, in the file logs/q.kql."""
    (folder / "logs").mkdir()
    (folder / "logs" / "q.kql").write_text(head + query, encoding="utf-8")
    return check(folder)


def test_a_query_for_log_analytics_may_use_all_of_kusto(tmp_path: Path) -> None:
    """Names, lookups, charts and as many joins as it likes, over the tables of Application Insights."""
    assert check_log_query(tmp_path, LOGS_WORDS) == Check(0, ["1 query, no problems"], "")


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        pytest.param("AppTraces | wher Message == 'a'", "3:13: Query operator expected.", id="misspelt word"),
        pytest.param("AppTraces | where Mesage == 'a'", "3:19: The name 'Mesage' does not refer to", id="no column"),
        pytest.param("AppTraces | where Message > 5", "3:27: The operator '>' is not defined", id="wrong type"),
        pytest.param("resources | take 1", "3:1: The name 'resources' does not refer to", id="no table"),
        pytest.param("AppTraces; AppRequests", "3:12: A file holds one query: this is a second one.", id="two queries"),
        pytest.param("let a = 1;", "1:1: The file holds no query.", id="no query"),
    ],
)
def test_what_log_analytics_would_refuse_is_told_with_its_place(tmp_path: Path, query: str, problem: str) -> None:
    """A query that fails in the portal fails here first."""
    found = check_log_query(tmp_path, query)
    assert found.exit_code == 1
    assert [line for line in found.lines if line.startswith(f"logs/q.kql:{problem}")], found.lines


def test_a_query_for_log_analytics_says_so(tmp_path: Path) -> None:
    """The mark of the other dialect is refused: somebody put the file into the wrong folder."""
    [line] = check_log_query(tmp_path, "AppTraces | take 1", HEAD).lines
    assert line == 'logs/q.kql:1:1: Line 1 must be "// Log Analytics Query".'


def test_a_folder_without_queries_is_a_mistake(tmp_path: Path) -> None:
    """A check that found nothing to check does not pass."""
    found = check(tmp_path)
    assert found.exit_code == 1
    assert found.error == f"check_queries: no query found: {tmp_path} holds no *.kql"
