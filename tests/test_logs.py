"""The logs: one form for machines and one for eyes, and no secret in either."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from bot.logs import set_up_logs


@pytest.fixture
def _logs_as_before() -> Iterator[None]:
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


@pytest.mark.usefixtures("_logs_as_before")
@pytest.mark.parametrize("style", ["console", "json"])
def test_a_failure_is_told_with_its_place_and_without_any_secret(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(style, "info")
    log = structlog.get_logger("bot.test").bind()
    token = "xoxb-" + "1234-secret"  # a local variable: it must not be shown beside the traceback
    try:
        raise ConnectionError(f"cannot reach postgresql://bot:{'pass' + 'word'}@db/aiops with {token}")
    except ConnectionError:
        log.exception("step failed", loop="checks", sent=f"Bearer {token}")
    told = capsys.readouterr().err
    assert "step failed" in told
    assert "test_logs.py" in told
    assert "ConnectionError" in told
    assert "secret" not in told.replace("without_any_secret", "")
    assert "password" not in told
    assert told.count("\n") < 20
    if style == "json":
        assert json.loads(told)["loop"] == "checks"
