"""Run the migrations on the connection that the ledger hands over, within its transaction."""

from alembic import context

from twotier.registry.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    version_table=context.config.attributes["version_table"],
    # The ledger began the transaction and commits it: a killed migration leaves the ledger as it was.
    transactional_ddl=True,
)
context.run_migrations()
