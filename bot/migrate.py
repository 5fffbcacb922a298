"""Bringing the database to this version's schema, as a step of its own; Alembic is imported only here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from bot.db import Database

_ADVISORY_LOCK = 7_301_944_120  # any number, the same in every process: only one of them migrates


def _config() -> Config:
    config = Config()
    here = Path(__file__).resolve().parent
    # Beside the package in a checkout; under the environment's share folder in the image.
    places = (here.parent / "migrations", Path(sys.prefix) / "share" / "aiops" / "migrations")
    found = next((place for place in places if (place / "env.py").is_file()), None)
    if found is None:
        raise FileNotFoundError("the migrations folder is missing beside the package")
    config.set_main_option("script_location", str(found))
    return config


def upgrade(db: Database, to: str = "head") -> None:
    """Run every migration that has not run yet; safe to call from several processes at once."""
    config = _config()
    with db.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        if db.is_sqlite:
            # A table is changed by making it anew and dropping the old one, whose rows others name meanwhile. Only outside a transaction.
            driver.execute("PRAGMA foreign_keys=OFF")
        else:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
            connection.commit()
        try:
            with connection.begin():
                config.attributes["connection"] = connection
                command.upgrade(config, to)
                if db.is_sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
                    raise RuntimeError(f"the migration would leave rows that name others which are not there: {broken[:5]}")
        finally:
            if db.is_sqlite:
                driver.execute("PRAGMA foreign_keys=ON")
            else:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
                connection.commit()


def check(db: Database) -> None:
    """Raise unless the tables in code and in the database are the same (`alembic check`)."""
    config = _config()
    with db.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.check(config)


def write_revision(db: Database, message: str, revision: str) -> None:
    """Write the migration that the tables in code still lack (a developer's step)."""
    config = _config()
    with db.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.revision(config, message=message, autogenerate=True, rev_id=revision)
