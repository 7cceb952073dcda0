"""`twotier adopt`: a pickled model becomes a family and its first version."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twotier.cli.train import report
from twotier.errors import ConfigurationError

if TYPE_CHECKING:
    from model_training.adopting import Adopted


def adopt(
    pickle: Annotated[Path, typer.Argument(help="The file, made by pickle or joblib: a fitted scikit-learn classifier or pipeline.")],
    name: Annotated[str, typer.Option(help="What the family is to be called, such as `churn`.")],
    sample: Annotated[Path, typer.Option(help="CSV with a header: rows as the model takes them, from which the family is described.")],
    target: Annotated[str | None, typer.Option(help="The sample's column with the right labels; without it nothing can be judged.")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="You know who made the pickle: reading it runs whatever code is in it.")] = False,
    who: Annotated[str | None, typer.Option(help="Who adopts it, for the record; your user name if not given.")] = None,
) -> None:
    """Adopt a pickled model: write its family file, publish it as a signed version, and let `twotier up` serve it.

    What serves is compared with the pickle on every row of the sample, and refused if it answers otherwise. The family file is yours to
    edit. Adopt another pickle under the same name, and it becomes another version of that family. The exit code is 1 if the gate refused.

    Examples:

    - `twotier adopt model.pkl --name churn --sample rows.csv --target left --trust`
    - `twotier adopt model.joblib --name churn --sample rows.csv --trust`
    """
    if not trust:
        raise ConfigurationError(
            f"reading {pickle} runs whatever code is in it, with your rights: if you know who made it and that nobody changed it since,"
            " say so with --trust"
        )
    from model_training.adopting import adopt
    from twotier.families import offered
    from twotier.gateway.app import RESERVED
    from twotier.registry import RegistrySettings
    from twotier.settings import SharedSettings

    if name in RESERVED:
        raise ConfigurationError(f"a family may not be called {name}: the gateway has a route there; choose another name")
    shared = SharedSettings.read()
    adopted = adopt(
        RegistrySettings.read(), shared, pickle=pickle, name=name, sample=sample, target=target, who=who or getpass.getuser()
    )
    _report(adopted)
    # A settings file that was made leaves them out, unless the environment says otherwise: what is in force now is asked.
    if shared.shipped and not (now := SharedSettings.read()).shipped:
        left_out = sorted(offered(shared).keys() - offered(now).keys())
        print(f"  note   the settings here leave out the families that come with twotier: {', '.join(left_out)}")
        print(f"         to have them served too, write shipped = true in {adopted.wrote[-1]}")
    assert adopted.version.gate is not None, adopted
    if not adopted.version.gate.passed:
        raise typer.Exit(1)


def _report(adopted: Adopted) -> None:
    report(adopted.version, champion=adopted.champion)
    print("  wrote  " + ", ".join(map(str, adopted.wrote)))
