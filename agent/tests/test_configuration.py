"""The configuration file: everything in it is taken, and what cannot be is refused in one line that says where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spot_agent.configuration import FOLDERS, Configuration, ConfigurationError, read_configuration
from spot_agent.edges.hooks import HookSetting

PAGE = Path(__file__).resolve().parents[2] / "docs" / "agent.md"


def read(folder: Path, text: str) -> Configuration:
    """Read a file with this text."""
    file = folder / "agent.ini"
    file.write_text(text, "utf-8")
    return read_configuration(file)


def test_every_key_is_taken(tmp_path: Path) -> None:
    """Those of the agent, of units and of hooks."""
    text = """
        [agent]
        imds = http://127.0.0.1:9000
        state = /srv/state
        hooks = /srv/hooks
        health_port = 8099
        queue = https://account.queue.core.windows.net/agents/
        client_id = 1234
        [units]
        stop = worker.service
            other@1.service
        [hook preempt/upload]
        essential = no
        limit_s = 2.5
        [hook recover/load]
        limit_s = 3600
    """
    assert read(tmp_path, "\n".join(line[8:] for line in text.splitlines())) == Configuration(
        imds="http://127.0.0.1:9000",
        state=Path("/srv/state"),
        hooks=Path("/srv/hooks"),
        health_port=8099,
        queue="https://account.queue.core.windows.net/agents",
        client_id="1234",
        units=("worker.service", "other@1.service"),
        hook_settings={"preempt/upload": HookSetting(2.5, is_essential=False), "recover/load": HookSetting(3600.0)},
    )


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    """Every key may be left out."""
    assert read(tmp_path, "") == Configuration()
    assert read(tmp_path, "[agent]\nqueue =\nhealth_port =\n") == Configuration()


def test_a_file_that_begins_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    """Some editors write one."""
    assert read(tmp_path, "\ufeff[agent]\nhealth_port = 8099").health_port == 8099


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[agent]\nhealth-port = 1", "[agent] has no 'health-port'"),
        ("[agnet]", "there is no section [agnet]"),
        ("[units]\nstop = worker", "a unit is written with its suffix, like worker.service, not 'worker'"),
        ("[units]\nstop = --now.service", "a unit is written with its suffix"),
        ("[hook preemt/save]", "a hook is named like [hook preempt/save]"),
        ("[hook preempt]", "a hook is named like [hook preempt/save]"),
        ("[hook preempt/save]\nlimit_s = soon", "limit_s is a number of seconds, not 'soon'"),
        ("[hook preempt/save]\nlimit_s = 0", "limit_s is more than 0"),
        ("[hook preempt/save]\nlimit_s = nan", "limit_s is more than 0"),
        ("[hook preempt/save]\nessential = maybe", "essential is yes or no, not 'maybe'"),
        ("[agent]\nhealth_port = 70000", "a port is a number from 0 to 65535, not '70000'"),
        ("[agent]\nqueue = http://example.com/agents", "the queue's URL is like https://"),
        ("[agent]\nimds = foo", "the metadata service's address is like http://169.254.169.254, not 'foo'"),
        ("[agent]\nqueue = https://user:word@example.com/agents", "the queue's URL is like https://"),
        ("[agent]\nqueue = https://example.com:99999/agents", "the queue's URL is like https://"),
        ("[agent]\nqueue = https://example.com:0/agents", "the queue's URL is like https://"),
        ("[agent]\nqueue = https://exam ple.com/agents", "the queue's URL is like https://"),
        ("[agent]\nstate =", "state is a folder, not ''"),
        ("[agent]\nhooks =", "hooks is a folder, not ''"),
        ("queue = x", "no section"),
        ("[agent]\n[agent]", "already exists"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """A typing error must not go unseen until an eviction."""
    with pytest.raises(ConfigurationError) as refused:
        read(tmp_path, text)
    assert says in str(refused.value)
    assert "agent.ini" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_example_of_the_page_is_a_configuration(tmp_path: Path) -> None:
    """Whoever copies it gets what it says, and no setting of a hook that the page has not written."""
    page = PAGE.read_text("utf-8")
    example = page.partition("refused):\n\n```\n")[2].partition("```")[0]
    found = read(tmp_path, example)
    assert (found.health_port, found.queue, found.units) == (8099, "", ())
    assert found.hook_settings == {"preempt/save": HookSetting(10.0)}
    assert all(f"/etc/spot-agent/hooks/{name}`" in page for name in found.hook_settings)


def test_what_is_commented_out_in_the_example_is_a_configuration_too(tmp_path: Path) -> None:
    """Once the placeholders are replaced."""
    example = PAGE.read_text("utf-8").partition("refused):\n\n```\n")[2].partition("```")[0]
    lines = [line[2:] if re.match(r"# (\[|[a-z_]+ = )", line) else line for line in example.splitlines()]
    found = read(tmp_path, "\n".join(lines).replace("ACCOUNT", "account").replace("CLIENT_ID", "1234"))
    assert found.queue == "https://account.queue.core.windows.net/agents"
    assert (found.client_id, found.units) == ("1234", ("worker.service",))
    assert found.hook_settings["preempt/upload-logs"] == HookSetting(10.0, is_essential=False)


def test_every_folder_of_hooks_is_on_the_page() -> None:
    """And only those."""
    page = PAGE.read_text("utf-8")
    assert [folder for folder in FOLDERS if f"`{folder}`" not in page] == []
