"""Rewrite the newest, unreleased migration from the tables in code: `python tests/remake_last_migration.py`.

Migrations before it have been used by somebody and stay as they are.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from bot.db import SCHEMA, Database
from bot.migrate import upgrade, write_revision

MESSAGE = "quality and telemetry"

versions = Path(__file__).resolve().parent.parent / "migrations" / "versions"
for old in versions.glob(f"{SCHEMA}_*.py"):
    old.unlink()
with tempfile.TemporaryDirectory() as folder:
    db = Database(f"sqlite:///{folder}/empty.db")
    upgrade(db)  # to the one before
    write_revision(db, MESSAGE, SCHEMA)
    db.close()
for new in versions.glob(f"{SCHEMA}_*.py"):
    subprocess.run(["ruff", "check", "-q", "--fix", str(new)], check=False)
    subprocess.run(["ruff", "format", "-q", str(new)], check=False)
