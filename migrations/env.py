"""Alembic's entry: runs the migrations on a connection handed over, or on AIOPS_DATABASE_URL."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from bot.db import Database
from bot.settings import read_settings
from bot.tables import Table


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Table.metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


handed_over: Connection | None = context.config.attributes.get("connection")
if handed_over is not None:
    _run(handed_over)
else:
    database = Database(read_settings().database_url)
    with database.engine.begin() as opened:
        _run(opened)
    database.close()
