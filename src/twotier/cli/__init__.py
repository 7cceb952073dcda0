"""The `twotier` command. Each command lives in a module of its own and imports what is heavy only when it runs."""

from __future__ import annotations

import sys

import typer

from twotier.cli.adopt import adopt
from twotier.cli.check import check
from twotier.cli.doctor import doctor
from twotier.cli.export import export
from twotier.cli.models import models
from twotier.cli.predict import predict
from twotier.cli.promote import promote
from twotier.cli.train import train
from twotier.cli.up import up
from twotier.errors import TwotierError

__all__ = ["app", "main"]

app = typer.Typer(
    name="twotier",
    help="Serve scikit-learn models in two tiers: a gateway that admits and batches, a model server that verifies and scores.",
    epilog="Settings come from twotier.toml and the environment; see docs/settings.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for command in (up, train, adopt, models, promote, predict, export, check, doctor):
    app.command()(command)


def main() -> None:
    """Run the command line. An error of ours is one line on stderr and exit code 2."""
    try:
        app()
    except TwotierError as error:
        print(f"twotier: {error}", file=sys.stderr)
        sys.exit(2)
