"""The drill of incidents, small: real processes, killed between steps, judged from Slack and the database (whole: benchmarks/incident_drill.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(300)
def test_an_incident_played_while_the_product_is_killed_loses_and_doubles_nothing() -> None:
    done = subprocess.run([sys.executable, "benchmarks/incident_drill.py", "--every", "10", "--seed", "7", "--again", "0", "2", "10"], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 7: nothing lost, nothing doubled" in done.stdout
