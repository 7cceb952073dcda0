"""`twotier export`: what serves, as a folder that can go into an image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twotier.cli.registry import open_registry


def export(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
) -> None:
    """Copy the versions that aliases point at into a new data folder that only needs to be read, after loading each of them.

    It holds their artefacts and the public keys that vouch for them, and no key to sign with. The model server's image is made of it.

    Examples: `twotier export build/promoted`
    """
    with open_registry() as registry:
        for version in registry.export(folder):
            print(f"{version.family} {version.name} -> {folder}")
