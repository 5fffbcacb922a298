"""The command line as a newcomer meets it: nothing set up yet, a second terminal, a database that is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.control import ControlServer

AWAY = {"AIOPS_DATABASE_URL": "postgresql://bot:verysecret@127.0.0.1:9/none", "AIOPS_MODE": "slack"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("AIOPS_MODE", "AIOPS_DATABASE_URL", "AIOPS_VAR", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "AIOPS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "var").mkdir()
    return tmp_path


def run(*words: str, **env: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words), env=env)
    return done.exit_code, done.output


def test_the_doctor_looks_at_a_house_that_never_started_and_names_everything_that_is_missing() -> None:
    code, told = run("doctor", AIOPS_MODE="slack")
    assert code == 1
    assert "The database has no tables yet" in told
    assert "Start `aiops up`, which brings it there." in told
    assert "There is no Slack token" in told


def test_a_database_that_is_away_is_said_to_be_away_and_not_to_need_a_migration() -> None:
    for command in ("doctor", "status"):
        code, told = run(command, **AWAY)
        assert code in (1, 2)
        assert "does not answer" in told
        assert "migrate" not in told
        assert "verysecret" not in told


async def test_a_second_terminal_without_the_tokens_speaks_to_the_server_of_the_real_workspace(folder: Path) -> None:
    async def status(args: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        yield {"text": "the real fleet"}

    server = ControlServer(Path("var/aiops.db.sock"), {"status": status})
    await server.start()
    try:
        assert await asyncio.to_thread(run, "status") == (0, "the real fleet\n")
    finally:
        await server.stop()
    (folder / "var" / "aiops.db").write_bytes(b"a database")
    _, told = await asyncio.to_thread(run, "status")
    assert "No Slack token is set in this terminal, so this is about the demo fleet." in told
