"""Raw data as a table of the ledger, for those who read it with SQL. It is a copy: training reads the raw data itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, count

from sqlalchemy import FLOAT, TEXT, Column, Connection, Integer, MetaData, Table, inspect
from sqlalchemy.orm import Session

from twotier.errors import ConfigurationError
from twotier.family import Batch
from twotier.registry.tables import MirrorRow

ID = "Id"


def mirror(connection: Connection, name: str, fingerprint: str, batches: Iterator[Batch]) -> bool:
    """Make the table anew, within the caller's transaction, with an `Id` that counts from 1; say whether that was needed.

    It is not if the table has these columns and was made from data with this fingerprint. A column whose values in the first batch are
    numbers is FLOAT, any other TEXT. Raises ConfigurationError if there are no rows, or another table is called that.
    """
    first = next(batches, None)
    if not first:
        raise ConfigurationError(f"there are no rows to make the table {name!r} of")
    table = Table(name, MetaData(), Column(ID, Integer, primary_key=True))
    for column, values in first.items():
        known = [value for value in values if value is not None]
        numeric = bool(known) and all(isinstance(value, (int, float)) for value in known)
        table.append_column(Column(column, FLOAT if numeric else TEXT))
    with Session(connection) as session:
        made = session.get(MirrorRow, name)
        if inspect(connection).has_table(name):
            if made is None:
                raise ConfigurationError(f"the ledger has another table {name!r}: give the family's dataset another table name")
            columns = [column["name"] for column in inspect(connection).get_columns(name)]
            if made.fingerprint == fingerprint and columns == table.columns.keys():
                return False
        table.drop(connection, checkfirst=True)
        table.create(connection)
        number = count(1)
        for batch in chain([first], batches):
            rows = zip(*batch.values(), strict=True)
            connection.execute(table.insert(), [{ID: next(number), **dict(zip(batch, row, strict=True))} for row in rows])
        session.merge(MirrorRow(table_name=name, fingerprint=fingerprint))
        session.flush()
    return True
