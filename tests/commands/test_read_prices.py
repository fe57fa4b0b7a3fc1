"""``read-prices``, as an operator and as a check calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spot_responder.cli import main
from spot_responder.commands.read_prices import MOST_BYTES

REPOSITORY = Path(__file__).parents[2]
PRICES = REPOSITORY / "tests" / "payloads" / "prices"
ASKED = ["--location", "westeurope", "--size", "Standard_D2s_v5", "--os", "linux"]
MID_NOVEMBER = ["--at", "2026-11-15T00:00:00Z"]


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Run the command; give the one JSON object that it prints."""
    assert main(["read-prices", *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    answer: dict[str, Any] = json.loads(out)
    return answer


def test_a_price_is_shown_as_one_json_object() -> None:
    """The real command: both prices, and where each comes from."""
    words = ["read-prices", str(PRICES / "paged.json"), *ASKED, *MID_NOVEMBER]
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "spot_responder", *words], capture_output=True, check=False, cwd=REPOSITORY, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, b"")
    answer = json.loads(done.stdout)
    assert list(answer) == ["spot", "on_demand", "why"]
    assert (answer["spot"], answer["on_demand"]) == (0.021, 0.115)
    assert answer["why"][0].startswith("spot: 0.021 USD an hour since 2026-11-01T00:00:00Z, by the meter 'D2s v5 Spot'")


def test_pages_come_from_standard_input_as_well() -> None:
    """What another command prints can be piped in; one page alone needs no list."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "spot_responder", "read-prices", "-", *ASKED, *MID_NOVEMBER],
        input=(PRICES / "every_kind.json").read_bytes(),
        capture_output=True,
        check=False,
        cwd=REPOSITORY,
        timeout=30,
    )
    assert json.loads(done.stdout)["spot"] == 0.021


def test_an_unknown_price_is_null_and_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """The pages were read; that they do not tell it is the answer."""
    answer = shown(capsys, str(PRICES / "no_rows.json"), *ASKED)
    assert (answer["spot"], answer["on_demand"]) == (None, None)
    assert answer["why"] == [
        "spot: unknown: no row is about Standard_D2s_v5 in westeurope",
        "on_demand: unknown: no row is about Standard_D2s_v5 in westeurope",
    ]


@pytest.mark.parametrize(("system", "spot"), [("linux", 0.021), ("windows", 0.0378), ("Windows", 0.0378)])
def test_the_system_is_named(system: str, spot: float, capsys: pytest.CaptureFixture[str]) -> None:
    """In either case."""
    words = ["--location", "West Europe", "--size", "standard_d2s_v5", "--os", system]
    assert shown(capsys, str(PRICES / "every_kind.json"), *words, *MID_NOVEMBER)["spot"] == spot


@pytest.mark.parametrize(
    ("at", "spot"),
    [
        ("2026-10-31T23:59:59Z", 0.019),
        ("2026-10-31T23:59:59", 0.019),
        ("2026-11-01T00:59:59+01:00", 0.019),
        ("2026-11-01T01:00:00+01:00", 0.021),
        ("2026-11-01", 0.021),
        ("2027-06-01", None),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(
    at: str, spot: float | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A day is its midnight."""
    assert shown(capsys, str(PRICES / "dated.json"), *ASKED, "--at", at)["spot"] == spot


def test_without_a_time_the_price_of_now_is_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows that ended long ago and that are long to come do not count."""
    page = json.loads((PRICES / "every_kind.json").read_text(encoding="utf-8"))
    (spot,) = [
        row for row in page["Items"] if row["meterName"] == "D2s v5 Spot" and "Windows" not in row["productName"]
    ]
    past = spot | {"effectiveStartDate": "2001-01-01T00:00:00Z", "effectiveEndDate": "2001-02-01T00:00:00Z"}
    now = spot | {"effectiveStartDate": "2002-01-01T00:00:00Z", "effectiveEndDate": None, "retailPrice": 0.5}
    to_come = spot | {"effectiveStartDate": "2999-01-01T00:00:00Z", "effectiveEndDate": None}
    file = tmp_path / "pages.json"
    file.write_text(json.dumps([page | {"Items": [past, now, to_come]}]), encoding="utf-8")
    assert shown(capsys, str(file), *ASKED)["spot"] == 0.5


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the text is not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[]", "a list without a page"),
        (b"[[]]", "page 1 is a list"),
        (b'[{"Items": []}, {}]', "page 2 has no list of Items"),
        (b'{"error": {"message": "Too many\\nrequests"}}', "but an error: 'Too many\\nrequests'"),
        (b'{"Items": [{"retailPrice": 1e999}]}', "1e999 is no JSON number"),
        (b" " * (MOST_BYTES + 1), f"larger than {MOST_BYTES} bytes"),
    ],
)
def test_what_holds_no_pages_is_refused(
    content: bytes, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear line that names the file, and exit code 2."""
    file = tmp_path / "pages.json"
    file.write_bytes(content)
    assert main(["read-prices", str(file), *ASKED]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"read-prices: '{file}': ")
    assert why in err


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As for the other commands that read one; for programs, as JSON."""
    assert main(["read-prices", str(tmp_path / "missing.json"), *ASKED]) == 2
    assert "No such file" in capsys.readouterr().err
    assert main(["read-prices", str(tmp_path / "missing.json"), *ASKED, "--json"]) == 2
    assert "No such file" in json.loads(capsys.readouterr().err)["error"]
