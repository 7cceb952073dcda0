"""The ledger's history as Alembic migrations, inside the package so that an installed one has it."""
