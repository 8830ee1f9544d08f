"""Alembic's entry point: runs the migrations on the connection that `volutus.db.migrate` holds."""

from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
# A migration that waits for a lock makes every request behind it wait too: give up soon and be run again.
connection.execute(text("SET lock_timeout = '5s'"))
connection.commit()
context.configure(connection=connection, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
