"""Rewrite migration 0001 from the tables in code: for use until the first release, `python tests/remake_first_migration.py`."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from bot.db import Database
from bot.migrate import write_revision

versions = Path(__file__).resolve().parent.parent / "migrations" / "versions"
versions.mkdir(exist_ok=True)
for old in versions.glob("0001_*.py"):
    old.unlink()
with tempfile.TemporaryDirectory() as folder:
    db = Database(f"sqlite:///{folder}/empty.db")
    write_revision(db, "everything the bot remembers", "0001")
    db.close()
for new in versions.glob("0001_*.py"):
    text = new.read_text().replace("with op.batch_alter_table", "with op.batch_alter_table")
    new.write_text(text)
    subprocess.run(["ruff", "check", "-q", "--fix", str(new)], check=False)
    subprocess.run(["ruff", "format", "-q", str(new)], check=False)
