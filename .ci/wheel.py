"""`python .ci/wheel.py dist/….whl`: the wheel holds every module and every migration of the repository, and nothing else."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(wheel: str) -> None:
    """End with 1 if anything is missing or too much."""
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("py.typed"), *(ROOT / "model_training").rglob("*.py")]
    wanted = {str(path.relative_to(ROOT)).removeprefix("src/") for path in sources}
    assert any("/migrations/versions/" in name for name in wanted)
    if missing := sorted(wanted - packed):
        sys.exit(f"{wheel} lacks {', '.join(missing)}")
    foreign = sorted(name for name in packed if not name.startswith(("twotier/", "model_training/")))
    if foreign:
        sys.exit(f"{wheel} holds {', '.join(foreign)}")
    print(f"{wheel}: {len(packed)} files, all modules and migrations among them")


if __name__ == "__main__":
    main(sys.argv[1])
