"""The kill drill itself, small: real processes, real kills."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(300)
def test_a_small_kill_drill_loses_and_doubles_nothing() -> None:
    command = [sys.executable, "benchmarks/kill_drill.py", "--kills", "2", "--messages", "15", "--drop-answers", "0.2", "--delay", "0.1", "--seed", "11"]
    drill = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert drill.returncode == 0, drill.stdout + drill.stderr
    assert "seed 11: 0 lost, 0 doubled" in drill.stdout
