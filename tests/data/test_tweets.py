"""What is expected of data/raw/tweets.tsv, as its datasheet data/README.md tells it."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

from tests.folders import DATA
from twotier.families.sentiment import FAMILY, MOST_CHARACTERS

PATH = DATA / "raw" / "tweets.tsv"

ROWS = [line.split("\t") for line in PATH.read_bytes().decode("utf-8").split("\r\n")]


def test_file_is_the_very_file() -> None:
    """The file is, to the byte, the one that the reference accuracies were measured on."""
    assert "1225f43ee55e6ee8a8e6e6860b80b311" == hashlib.md5(PATH.read_bytes(), usedforsecurity=False).hexdigest()


def test_licence_is_beside_it() -> None:
    """The notice that its licence wants to be kept is kept."""
    assert "Copyright (c) 2016 C.J. Hutto" in PATH.with_name("tweets-LICENSE.txt").read_text(encoding="utf-8")


def test_rows() -> None:
    """There are 4,200 rows of an id, a rating and a text; ids count from 1, and no text is there twice."""
    assert {3} == {len(row) for row in ROWS}
    assert [str(number) for number in range(1, 4201)] == [row[0] for row in ROWS]
    assert 4200 == len({row[2] for row in ROWS})


def test_ratings() -> None:
    """Ratings go from -3.75 to 3.55; 2,897 are positive, 4 exactly zero."""
    ratings = [float(row[1]) for row in ROWS]
    assert (-3.75, 3.55) == (min(ratings), max(ratings))
    assert (2897, 4) == (sum(rating > 0 for rating in ratings), ratings.count(0))


def test_texts() -> None:
    """Texts are one line of 3 to 162 characters; three entities occur in them."""
    texts = [row[2] for row in ROWS]
    assert (3, 162) == (min(map(len, texts)), max(map(len, texts)))
    assert [] == [text for text in texts if not text.strip() or "\n" in text or "\r" in text]
    assert {"&amp;": 138, "&lt;": 29, "&gt;": 14} == Counter(entity for text in texts for entity in re.findall(r"&\w+;", text))
    assert MOST_CHARACTERS > 162


def test_family_reads_all_of_it() -> None:
    """The family's dataset has every text as it stands in the file, quotation marks included, and a label for each."""
    (batch,) = FAMILY.dataset.batches(DATA)
    assert [row[2] for row in ROWS] == batch["text"]
    assert ["POSITIVE" if float(row[1]) > 0 else "NEGATIVE" for row in ROWS] == batch["rating"]
