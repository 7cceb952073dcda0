"""How versions are named."""

from __future__ import annotations

import pytest

from twotier.registry.names import may_be_alias, may_be_looked_up, split_version


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("log_reg_1", ("log_reg", 1)),
        ("log_reg_1_12", ("log_reg_1", 12)),
        ("log_reg_0", None),
        ("log_reg_01", None),
        ("log_reg", None),
        ("_1", None),
        ("champion", None),
        ("log_reg_9999999999", None),
    ],
)
def test_split_version(name: str, expected: tuple[str, int] | None) -> None:
    """A version's name is its estimator and a number from 1 that every database can hold."""
    assert expected == split_version(name)


@pytest.mark.parametrize("name", ["champion", "challenger", "eu_west", "a1", "latest_but_one"])
def test_alias(name: str) -> None:
    """These may be aliases."""
    assert may_be_alias(name)


@pytest.mark.parametrize("name", ["log_reg_1", "log_reg_latest", "latest", "Champion", "a-b", "", "1", "a" * 41, "champion\n", "é"])
def test_no_alias(name: str) -> None:
    """These may not: they look like something else, or do not fit into a URL."""
    assert not may_be_alias(name)


@pytest.mark.parametrize("name", ["", "a\0", "\ud800", "a" * 51, "../x", "a b"])
def test_never_looked_up(name: str) -> None:
    """Text that no version can be called never reaches the database."""
    assert not may_be_looked_up(name)
