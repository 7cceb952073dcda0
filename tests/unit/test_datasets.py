"""A delimited text file becomes a stream of columns; whatever is wrong with it is named by file, row and column."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from twotier import datasets
from twotier.datasets import csv_dataset
from twotier.errors import ConfigurationError
from twotier.family import Dataset

HEADER = "id,a,label\n"


def _dataset(data: Path, body: str | bytes, **changes: Any) -> Dataset:
    (data / "rows.csv").write_bytes(body if isinstance(body, bytes) else body.encode())
    return csv_dataset("rows.csv", **{"target": "label", "columns": {"a": float, "label": str}} | changes)


def test_columns_are_read_by_their_functions(tmp_path: Path) -> None:
    """Named columns come in the types that were asked for; others are left out; what is missing is None."""
    made = _dataset(tmp_path, HEADER + "1,2.5,yes\n2,,no\n3,NA,yes\n")
    assert [{"a": [2.5, None, None], "label": ["yes", "no", "yes"]}] == list(made.batches(tmp_path))
    assert ("rows.csv", "label", None) == (made.source, made.target, made.table)


def test_delimiter_and_missing_are_settable(tmp_path: Path) -> None:
    """A file may be delimited otherwise and spell what is missing otherwise."""
    made = _dataset(tmp_path, "a\tlabel\n?\t\n", delimiter="\t", missing=("?",))
    assert [{"a": [None], "label": [""]}] == list(made.batches(tmp_path))


def test_file_without_a_header(tmp_path: Path) -> None:
    """The columns of a file that begins with its first row are named by whoever describes it; quotation marks may be plain characters."""
    made = _dataset(tmp_path, '1,2.5,"yes\r\n2,3.5,"no"', header=("id", "a", "label"), quotes=False)
    assert [{"a": [2.5, 3.5], "label": ['"yes', '"no"']}] == list(made.batches(tmp_path))


def test_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    """A file saved by a spreadsheet, mark and carriage returns included, reads like any other."""
    made = _dataset(tmp_path, b"\xef\xbb\xbfa,label\r\n1,yes\r\n")
    assert [{"a": [1.0], "label": ["yes"]}] == list(made.batches(tmp_path))


def test_long_files_come_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch is longer than it may be, no row is lost between two, and a second reading gives the same."""
    monkeypatch.setattr(datasets, "ROWS_PER_BATCH", 2)
    made = _dataset(tmp_path, HEADER + "".join(f"{row},{row},x\n" for row in range(5)))
    batches = list(made.batches(tmp_path))
    assert [[0.0, 1.0], [2.0, 3.0], [4.0]] == [batch["a"] for batch in batches]
    assert batches == list(made.batches(tmp_path))


def test_fingerprint_is_that_of_the_bytes(tmp_path: Path) -> None:
    """The fingerprint is the file's SHA-256, so that one changed byte changes it."""
    body = HEADER + "1,2,yes\n"
    assert hashlib.sha256(body.encode()).hexdigest() == _dataset(tmp_path, body).fingerprint(tmp_path)
    assert _dataset(tmp_path, body).fingerprint(tmp_path) != _dataset(tmp_path, body.replace("2", "3")).fingerprint(tmp_path)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (HEADER + "1,2,yes\n2,two,no\n", r"rows\.csv, row 2, column a: could not convert string to float: 'two'"),
        (HEADER + "1,2,yes\n2,3\n", r"rows\.csv, row 2, has not as many cells as the header"),
        (HEADER + "1,2,yes\n2,3,5,no\n", r"rows\.csv, row 2, has not as many cells as the header"),
        ("id,b\n1,2\n", r"rows\.csv has no column a, label: see its header"),
        ("", r"rows\.csv has no column a, label: see its header"),
        (HEADER.encode() + b"1,2,\xff\n", r"rows\.csv, after line 0, is not delimited UTF-8 text: .*invalid start byte"),
        (HEADER + "1,2," + "x" * 200_000, r"rows\.csv, after line 1, is not delimited UTF-8 text: field larger than field limit"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, body: str | bytes, message: str) -> None:
    """A cell, a row or a file that cannot be read is an error that says where it is and what is wrong with it."""
    made = _dataset(tmp_path, body)
    with pytest.raises(ConfigurationError, match=message):
        list(made.batches(tmp_path))


def test_rows_are_counted_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of a bad row is its place in the file, not in its batch."""
    monkeypatch.setattr(datasets, "ROWS_PER_BATCH", 2)
    made = _dataset(tmp_path, HEADER + "1,1,x\n2,2,x\n3,3,x\n4,four,x\n")
    with pytest.raises(ConfigurationError, match="row 4, column a"):
        list(made.batches(tmp_path))


def test_absent_file_says_what_to_do(tmp_path: Path) -> None:
    """Without raw data, reading and fingerprinting both say where it was looked for and what to set."""
    made = csv_dataset("rows.csv", target="label", columns={"label": str})
    for act in (lambda: list(made.batches(tmp_path)), lambda: made.fingerprint(tmp_path)):
        with pytest.raises(ConfigurationError, match=rf"no raw data at {tmp_path}/rows\.csv.*TWOTIER_DATA"):
            act()
