"""`twotier check`: the conformance suite, on families of your own too."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer

from twotier.errors import ConfigurationError


def check(
    family: Annotated[str | None, typer.Argument(help="Only this family.", show_default=False)] = None,
) -> None:
    """Hold families to what every family must do: sound schemas and examples, strict input, answers that depend on their row alone.

    Each estimator is trained on the raw data, into a temporary folder. The exit code is 1 if anything is not as it must be.

    Examples:

    - `twotier check`
    - `twotier check iris`
    """
    from twotier.families import offered
    from twotier.settings import SharedSettings

    try:
        for module in ("pytest", "jsonschema_rs"):
            import_module(module)
    except ImportError as error:
        raise ConfigurationError(f"the suite needs {error.name}: pip install pytest jsonschema-rs") from None
    families = offered(SharedSettings.read())
    checked = {} if family is None else {"CONFORMANCE_FAMILY": families[family].name}
    # A project's other plugins and settings, and what its own tests leave behind, are none of the suite's business.
    environment = {**os.environ, **checked, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    suite = find_spec("model_training.conformance")
    assert suite is not None and suite.origin is not None, suite
    options = ("-q", "-c", os.devnull, "--rootdir", os.path.dirname(suite.origin), "-p", "no:cacheprovider")
    ran = subprocess.run([sys.executable, "-m", "pytest", *options, suite.origin], env=environment, check=False)
    if ran.returncode:
        raise typer.Exit(1)
