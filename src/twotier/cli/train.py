"""`twotier train`: make a version and put it through its gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from twotier.cli.registry import open_registry

if TYPE_CHECKING:
    from twotier.family import Family
    from twotier.registry import Registry, Version


def train(
    family: Annotated[str | None, typer.Argument(help="The family to train, such as `iris`.", show_default=False)] = None,
    estimator: Annotated[str | None, typer.Option(help="How to solve it; the family's first estimator if not given.")] = None,
    missing: Annotated[bool, typer.Option("--missing", help="Instead: train every family that has no champion.")] = False,
) -> None:
    """Train a family: fit, evaluate on held-out rows, publish a version, run its gate.

    The first version that passes becomes the family's champion; a later one waits for `twotier promote`.
    The exit code is 1 if the gate refused.

    Examples:

    - `twotier train iris`
    - `twotier train iris --estimator log_reg`
    - `twotier train --missing`
    """
    if (family is None) != missing:
        raise typer.BadParameter("name a family, or give --missing")
    with open_registry() as registry:
        wanted = [name for name in registry.families if "champion" not in registry.aliases(name)] if family is None else [family]
        passed = [_train(registry, registry.families[name], estimator) for name in wanted]
    if not all(passed):
        raise typer.Exit(1)


def _train(registry: Registry, family: Family, estimator: str | None) -> bool:
    """Train one family behind a progress bar, print what came of it, and say whether the gate passed."""
    from rich.console import Console
    from rich.progress import Progress

    from model_training import train as make
    from twotier.settings import SharedSettings

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(family.name, total=1.0)
        version = make(
            registry,
            family,
            estimator,
            data=SharedSettings.read().data,
            progress=lambda stage, done: bar.update(task, completed=done, description=f"{family.name}: {stage}"),
        )
    assert version.gate is not None, version
    report(version, champion=registry.aliases(family.name).get("champion"))
    return version.gate.passed


def report(version: Version, champion: str | None) -> None:
    """Print a version that has been judged."""
    assert version.gate is not None, version
    print(f"{version.family} {version.name}")
    for split, metrics in sorted(version.metrics.items(), reverse=True):
        print(f"  {split:5}  " + "  ".join(f"{metric} {value:.5f}" for metric, value in metrics.items()))
    print(f"  gate   {'passed' if version.gate.passed else 'REFUSED'}")
    for finding in version.gate.findings:
        print(f"         - {finding}")
    if version.name == champion:
        print("  it is the champion")
    elif version.gate.passed:
        print(f"  the champion is {champion}; to change it: twotier promote {version.family} {version.name}")
