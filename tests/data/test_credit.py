"""What is expected of data/raw/credit.csv, as its datasheet data/README.md tells it."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter

from tests.folders import DATA
from twotier.families.credit import FAMILY, WORDS

PATH = DATA / "raw" / "credit.csv"

with PATH.open(newline="", encoding="utf-8") as _file:
    ROWS = list(csv.DictReader(_file))


def test_file_is_the_very_file() -> None:
    """The file is, to the byte, the one that the datasheet tells of, and its licence is beside it."""
    assert "ead255f904301a8be2b678fc2d400dc7" == hashlib.md5(PATH.read_bytes(), usedforsecurity=False).hexdigest()
    assert PATH.with_name("credit-LICENSE.txt").read_text(encoding="utf-8").startswith("MIT License")


def test_header_and_rows() -> None:
    """There are 4,454 rows, of which 1,254 are bad, with the family's features in their order after the label."""
    assert [FAMILY.dataset.target, *FAMILY.features] == list(ROWS[0])
    assert {"good": 3200, "bad": 1254} == Counter(row["Status"] for row in ROWS)


def test_what_is_missing_is_known() -> None:
    """Just these cells are empty."""
    empty = Counter(name for row in ROWS for name, cell in row.items() if cell in ("", "NA"))
    assert {"Income": 381, "Assets": 47, "Debt": 18, "Home": 6, "Job": 2, "Marital": 1} == empty


def test_all_words_are_known() -> None:
    """Every word of the file is one that callers may send, and there are no others that they may."""
    schema = FAMILY.row.model_json_schema()["properties"]
    for name in WORDS:
        told = schema[name].get("enum") or schema[name]["anyOf"][0]["enum"]
        assert sorted(told) == sorted({row[name] for row in ROWS} - {""})
