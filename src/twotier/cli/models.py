"""`twotier models`: what the registry holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from twotier.cli.registry import open_registry

if TYPE_CHECKING:
    from twotier.registry import Registry

HEADINGS = ("FAMILY", "VERSION", "MADE (UTC)", "TRAIN", "TEST", "GATE", "ALIASES")


def models(
    family: Annotated[str | None, typer.Argument(help="Only this family.", show_default=False)] = None,
) -> None:
    """List the versions in the registry, newest first, with the metric of their gate and the aliases that point at them.

    Of one family it also says what the gate found of the versions that it refused.

    Examples:

    - `twotier models`
    - `twotier models iris`
    """
    with open_registry() as registry:
        names = registry.families if family is None else [family]
        table = [HEADINGS, *(line for name in names for line in _lines(registry, name))]
        judged = [] if family is None else [(version.name, version.gate) for version in registry.versions(family) if version.gate]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for name, gate in judged:
        if not gate.passed:
            print(f"\n{name} was refused:", *gate.findings, sep="\n  - ")


def _lines(registry: Registry, family: str) -> Iterator[Sequence[str]]:
    metric = registry.families[family].gate.metric
    aliases = registry.aliases(family)
    for version in registry.versions(family):
        gate = "-" if version.gate is None else "passed" if version.gate.passed else "refused"
        figures = [_figure(version.metrics.get(split, {}).get(metric)) for split in ("train", "test")]
        pointing = [alias for alias, name in aliases.items() if name == version.name]
        yield family, version.name, f"{version.created_at:%Y-%m-%d %H:%M:%S}", *figures, gate, ", ".join(pointing)


def _figure(value: float | None) -> str:
    """What was adopted has not been trained here, and may never have been tested."""
    return "-" if value is None else f"{value:.5f}"
