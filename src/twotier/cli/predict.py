"""`twotier predict`: ask a running gateway."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from twotier.errors import ConfigurationError


def predict(
    family: Annotated[str, typer.Argument(help="The family to ask, such as `iris`.")],
    rows: Annotated[str, typer.Argument(help="JSON: a row, a list of rows, or rows by key; `@file` reads a file, `-` reads stdin.")],
    url: Annotated[str | None, typer.Option(help="The gateway's address; the one of the settings if not given.")] = None,
    version: Annotated[str | None, typer.Option(help="A version or an alias; the champion if not given.")] = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Answer the probabilities too.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Answer the good rows although others are bad.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait.")] = 5.0,
) -> None:
    """Ask a running gateway for predictions and print its answer as JSON.

    Examples:

    - `twotier predict iris '{"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}'`
    - `twotier predict iris @rows.json --version log_reg_1`
    - `cat rows.json | twotier predict iris - --probabilities`
    """
    from twotier.client import Client

    asked = _read(rows)
    with Client(url or _own_address(), timeout=timeout) as client:
        print(json.dumps(client.predict(family, asked, version, probabilities=probabilities, partial=partial)))


def _read(rows: str) -> Any:
    try:
        text = sys.stdin.read() if rows == "-" else Path(rows[1:]).read_text(encoding="utf-8") if rows.startswith("@") else rows
        return json.loads(text, parse_constant=_refuse)
    except OSError as error:
        raise ConfigurationError(f"{rows[1:]} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"the rows are not JSON: {error}") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def _own_address() -> str:
    from twotier.cli.addresses import url_of
    from twotier.gateway.settings import GatewaySettings

    settings = GatewaySettings.read()
    return url_of(settings.host, settings.port)
