"""The pages of docs/ that are made from the code: `python -m tests.docs.tables` writes them anew."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from model_training.settings import TrainingSettings
from tests.shell import ROOT
from twotier.gateway.problems import kinds
from twotier.gateway.settings import GatewaySettings
from twotier.model_server.settings import ModelServerSettings
from twotier.registry.settings import RegistrySettings
from twotier.settings import Settings, SharedSettings

ALL_SETTINGS: tuple[type[Settings], ...] = (SharedSettings, RegistrySettings, TrainingSettings, ModelServerSettings, GatewaySettings)

SETTINGS = """# Settings

Made from the code by `python -m tests.docs.tables`.

Each setting has a default. A file `twotier.toml` in the working directory (or the one that `TWOTIER_CONFIG` names) overrides it, and the
environment overrides both. `GATEWAY_PORT=8001` and

```toml
[gateway]
port = 8001
```

say the same. A variable with `_FILE` after its name reads the value from a file, as container secrets want it. Lists are JSON in the
environment. A setting that does not exist is an error that names the nearest; `twotier doctor` looks at all of them together.
"""

PROBLEMS = """# Problems

Made from the code by `python -m tests.docs.tables`.

Every error of the gateway is a problem document (RFC 9457) of the media type `application/problem+json`: `type`, `title`, `status`,
`detail`, `instance` (the request's id in the gateway's log) and, where the input is at fault, `errors`, each with a JSON pointer to the
cell, and `error_count`. The input is never repeated in it. `GET` a problem's `type` at the gateway to read its meaning there. Below `/v2`
its media type is `application/json`, and it has an `error` too, since clients of that protocol read no other.

| type | status | title | meaning |
|---|---|---|---|
"""


def settings_page() -> str:
    """docs/settings.md."""
    return "\n".join([SETTINGS, *(line for settings in ALL_SETTINGS for line in _section(settings))])


def problems_page() -> str:
    """docs/problems.md."""
    rows = [(kind.status, f"| `{kind.type}` | {kind.status} | {kind.title} | {_cell(kind.meaning)} |") for kind in kinds().values()]
    return PROBLEMS + "".join(f"{row}\n" for _, row in sorted(rows))


def pages() -> dict[Path, str]:
    """Every page that is made from the code, and what it should say."""
    return {ROOT / "docs/settings.md": settings_page(), ROOT / "docs/problems.md": problems_page()}


def _section(settings: type[Settings]) -> Iterator[str]:
    yield f"## [{settings.section()}]\n"
    yield f"{settings.__doc__}\n"
    yield "| in the environment | in the file | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in settings.model_fields.items():
        meaning = _cell(field.description or "")
        yield f"| `{settings.prefix()}{name.upper()}` | `{name}` | {_default(field.get_default(call_default_factory=True))} | {meaning} |"
    yield ""


def _default(value: Any) -> str:
    if value is None or value is PydanticUndefined:
        return ""
    return f"`{json.dumps(value, default=str)}`"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
