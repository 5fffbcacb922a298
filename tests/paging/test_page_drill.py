"""The drill of pages, small: real processes, real kills, judged from Slack alone (its controls: `--control blind`, `--control forgetful`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def drill(*options: str) -> str:
    command = [sys.executable, "benchmarks/page_drill.py", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(300)
def test_a_small_drill_of_kills_loses_and_doubles_no_page() -> None:
    assert "seed 21: 0 lost, 0 left doubled" in drill("--kills", "3", "--agents", "3", "--drop-answers", "0.1", "--seed", "21")
