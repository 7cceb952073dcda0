"""The settings file that says where family files of one's own are."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

from twotier.errors import ConfigurationError
from twotier.settings import CONFIG_FILE, SharedSettings

FOLDER = Path("families")
"""Where family files go if no setting says so."""


def with_folder(shared: SharedSettings) -> tuple[SharedSettings, Path, str | None]:
    """The settings with a folder for family files: those that are, or those that will be once the settings file is changed.

    Also that file, and what is to be in it; None if it need not be changed. A new file leaves out the families that are shipped.
    Raises ConfigurationError if it is written in a way that cannot be changed here.
    """
    path = Path(os.environ.get(CONFIG_FILE) or "twotier.toml")
    if shared.families:
        return shared, path, None
    line = f'families = "{FOLDER}"\n'
    if not path.exists():
        text = f"[twotier]\n{line}# The families that come with twotier are left out.\nshipped = false\n"
        return shared.model_copy(update={"families": FOLDER, "shipped": False}), path, text
    changed = shared.model_copy(update={"families": FOLDER})
    text = path.read_text(encoding="utf-8")
    if "twotier" not in tomllib.loads(text):
        return changed, path, f"{text.rstrip()}\n\n[twotier]\n{line}".lstrip()
    heading = re.search(r"^\[twotier\].*\n?", text, re.MULTILINE)
    if heading is None:
        raise ConfigurationError(f"{path} sets twotier in a way that is not changed here: write {line.strip()} there")
    return changed, path, f"{text[: heading.end()].rstrip()}\n{line}{text[heading.end() :]}"
