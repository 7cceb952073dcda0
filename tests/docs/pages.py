"""Pages that are done as they say: their commands, what these print, and the files they tell the reader to write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ANYTHING = "…"
"""What a page writes for what differs each time: the rest of a word, of a line, or further lines."""


@dataclass(frozen=True)
class Step:
    """One command and what it prints."""

    command: str
    printed: str

    def is_as_said(self, printed: str) -> bool:
        """Whether that was printed."""
        pattern = ".*".join(re.escape(part) for part in self.printed.rstrip().split(ANYTHING))
        return re.fullmatch(pattern, printed.rstrip(), re.DOTALL) is not None


def blocks(text: str, language: str) -> list[str]:
    """The text's blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def steps(text: str) -> list[Step]:
    """The commands of its blocks of console, in order. A command in quotes may go on over several lines."""
    found = []
    for block in blocks(text, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            while command.count("'") % 2:
                more, _, printed = printed.partition("\n")
                command += "\n" + more
            found.append(Step(command.strip(), printed))
    return found


def files(text: str) -> dict[Path, str]:
    """What is to be written: each block of Python below a line that ends in the file's name and a colon."""
    return {Path(name): content for name, content in re.findall(r"`([^`\n]+)`:\n\n```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)}


def section(text: str, heading: str) -> str:
    """One section of a page, its heading included."""
    found = re.search(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[0]
