"""`twotier promote`: point an alias at a version."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from twotier.cli.registry import open_registry


def promote(
    family: Annotated[str, typer.Argument(help="The family, such as `iris`.")],
    version: Annotated[str, typer.Argument(help="The version, such as `log_reg_2`.")],
    alias: Annotated[str, typer.Option(help="The alias to move.")] = "champion",
    who: Annotated[str | None, typer.Option(help="Who moves it, for the record; your user name if not given.")] = None,
    why: Annotated[str, typer.Option(help="Why, for the record.")] = "",
) -> None:
    """Point an alias at a version that passed its gate, after loading it and replaying its golden rows.

    A running model server follows within two seconds. To roll back, promote the version that was there before.

    Examples:

    - `twotier promote iris log_reg_2`
    - `twotier promote iris log_reg_2 --alias challenger --why "it is better on small petals"`
    """
    with open_registry() as registry:
        before = registry.aliases(family).get(alias, "nothing")
        after = registry.promote(family, alias, version, who=who or getpass.getuser(), why=why)
    print(f"{family}: {alias} was {before} and is now {after.name}")
