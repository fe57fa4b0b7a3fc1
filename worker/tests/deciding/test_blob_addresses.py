"""What ``delete_input`` can delete is a blob of the worker's own account; anything else is refused at once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from azure.storage.blob import generate_blob_sas

from spot_worker.deciding.blob_addresses import blob_at, file_name, to_delete

if TYPE_CHECKING:
    from workbench.real_worker import Bench

_ACCOUNT = "https://farm.blob.core.windows.net"
_SAS = "sv=2024-11-04&sp=rd&sig=c2lnbmVk"


@pytest.mark.parametrize(
    "url", [f"{_ACCOUNT}/in/a%20b/c.txt", "HTTPS://Farm.blob.core.windows.net/in/a b/c.txt", f"{_ACCOUNT}/in/a b/c.txt"]
)
def test_a_blob_of_the_account_is_found_however_its_address_is_written(url: str) -> None:
    assert blob_at(_ACCOUNT, url) == blob_at(f"{_ACCOUNT}/?{_SAS}", url) == ("in", "a b/c.txt")
    assert to_delete(_ACCOUNT, url) == to_delete(_ACCOUNT, f"{url}?{_SAS}") == url


@pytest.mark.parametrize(
    "url",
    [
        "https://other.blob.core.windows.net/in/a",
        "https://farm.blob.core.windows.net.evil.example/in/a",
        "http://farm.blob.core.windows.net/in/a",
        f"{_ACCOUNT}/in",
        f"{_ACCOUNT}/in/",
        f"{_ACCOUNT}/in/a?snapshot=2026-03-02T10:00:00Z",
        f"{_ACCOUNT}/in/a?versionId=7&{_SAS}",
        f"{_ACCOUNT}/in/a?",
        f"{_ACCOUNT}/in?{_SAS}",
    ],
)
def test_what_is_no_blob_of_the_account_is_not_deleted(url: str) -> None:
    assert blob_at(_ACCOUNT, url) is None
    if not url.endswith("/a?"):
        with pytest.raises(ValueError, match=r"farm|other") as refused:
            to_delete(_ACCOUNT, url)
        assert "sig=" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("a%20b.txt", "a b.txt"),
        ("", "input"),
        ("..", "input"),
        ("a%2Fb", "input"),
        ("a%00b", "input"),
        ("a\ud800b.txt", "a?b.txt"),
        ("x" * 300 + ".tar.gz", "x" * 237 + ".gz"),
        ("%D0%B1" * 200 + ".txt", "\u0431" * 118 + ".txt"),
        ("x" * 10 + "." + "y" * 400, "x" * 10),
    ],
)
def test_a_file_is_called_as_its_blob_where_a_file_can_be(name: str, called: str) -> None:
    assert file_name(f"{_ACCOUNT}/in/{name}?{_SAS}") == called


def test_a_blob_whose_name_is_too_long_for_a_file_is_fetched(bench: Bench) -> None:
    name = "long" * 80 + ".txt"
    blob = bench.storage.blobs.create_container("long-names").upload_blob(name, b"fetched")
    bench.submit("long-names", blob.url)
    assert bench.run("fetches", "long-names", "--once").ended() == 0
    assert [row["result"] for row in bench.results("long-names")] == ["fetched"]


def test_a_function_that_deletes_elsewhere_gets_an_error_and_a_blob_with_a_sas_is_deleted(bench: Bench) -> None:
    storage = bench.storage
    blob = storage.blobs.create_container("signed-inputs").upload_blob("a b.txt", b"an input")
    (bench.folder / "deletes.py").write_text(
        "def work(job):\n"
        "    try:\n"
        "        job.delete_input(job.body['elsewhere'])\n"
        "    except ValueError as error:\n"
        "        said = str(error)\n"
        "    job.delete_input(job.body['here'])\n"
        "    return said\n"
    )
    signed = generate_blob_sas(
        str(storage.blobs.account_name),
        "signed-inputs",
        "a b.txt",
        account_key=storage.blobs.credential.account_key,
        permission="r",
        expiry=datetime.now(timezone.utc) + timedelta(hours=1),
    )
    bench.submit("deleting", {"elsewhere": "https://other.example/in/a", "here": f"{blob.url}?{signed}"})
    worker = bench.run("deletes:work", "deleting", "--once")
    assert worker.ended() == 0
    (row,) = bench.results("deleting")
    there = str(storage.blobs.url).rstrip("/")
    assert (
        row["result"]
        == f"'https://other.example/in/a' is no blob of the worker's storage account: those are at {there}"
    )
    assert not blob.exists()
    assert "sig=" not in str(worker.said)
