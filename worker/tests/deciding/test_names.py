"""Names that Azure would refuse are refused first, with what is allowed."""

from __future__ import annotations

import pytest

from spot_worker.deciding.names import (
    BadNameError,
    check_output,
    check_queue,
    checkpoint_name,
    output_name,
    places,
    pointer_name,
    submitted_id,
    unreadable_name,
)


def test_what_belongs_to_a_queue_is_named_after_it() -> None:
    found = places("my-jobs")
    assert (found.checkpoints, found.results, found.poison_queue) == (
        "my-jobs-checkpoints",
        "myjobsresults",
        "my-jobs-poison",
    )
    assert places("jobs", "kept", "Done").checkpoints == "kept"


@pytest.mark.parametrize("name", ["", "ab", "Jobs", "a--b", "-ab", "ab-", "a_b", "x" * 57, "jöbs", "a\n"])
def test_a_queue_that_cannot_be(name: str) -> None:
    with pytest.raises(BadNameError, match="single hyphens"):
        check_queue(name)


def test_the_longest_queue_leaves_room_for_its_poison_queue() -> None:
    assert len(places("x" * 56, "kept", "done").poison_queue) == 63


def test_defaults_that_cannot_be_say_which_option_helps() -> None:
    with pytest.raises(BadNameError, match="--results"):
        places("7jobs")
    with pytest.raises(BadNameError, match="--checkpoints"):
        places("x" * 52)
    assert len(places("x" * 51).checkpoints) == 63


@pytest.mark.parametrize("name", ["", "/a", "a//b", "../a", "a/../b", "a\\b", "a/.", "x" * 401, "a\x00", "a./b"])
def test_an_output_that_could_leave_its_folder(name: str) -> None:
    with pytest.raises(BadNameError, match="relative path"):
        check_output(name)


def test_all_blobs_of_a_job_are_below_one_name_and_none_collide() -> None:
    check_output("frames/0001.png")
    names = {
        pointer_name("jobs", "7"),
        unreadable_name("jobs", "7"),
        checkpoint_name("jobs", "7", 2, 1, "a" * 64),
        checkpoint_name("jobs", "7", 2, 2, "a" * 64),
        output_name("jobs", "7", 2, "a"),
    }
    assert len(names) == 5
    assert all(name.startswith("jobs/7/") for name in names)


def test_what_a_job_submits_has_the_same_id_in_each_attempt_and_another_for_each_place() -> None:
    assert submitted_id("jobs", "7", 0) == submitted_id("jobs", "7", 0)
    assert len({submitted_id("jobs", "7", 0), submitted_id("jobs", "7", 1), submitted_id("jobs", "8", 0)}) == 3
