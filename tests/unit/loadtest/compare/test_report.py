"""The page and the plots."""

from __future__ import annotations

from pathlib import Path

from loadtest.compare.figures import draw
from loadtest.compare.headline import headline
from loadtest.compare.report import markdown
from tests.unit.loadtest.compare.runs import run


def test_the_page_shows_what_was_measured() -> None:
    """Bars with their verdict, throughput with its failures, overload with its recovery, all from the run."""
    page = markdown(run())
    for line in (
        "| requests/s at 64 connections, times BentoML called directly | >= 5 | 6 | yes |",
        "| requests/s at 64 connections, times FastAPI with the model in process | >= 3 | 2.4 | **no** |",
        "| requests/s at 64 connections, times the same FastAPI app answering a constant | >= 0.7 | – | not measured |",
        "| BentoML, called directly | 700 | 1,000 (3) | 2 | 0.2 |",
        "| twotier, both tiers | 5,500 | 10 x | 90% | 0.2 | 91% | 5 | 20 | 7 | 0.5 | 5 | 2 | 1 | 3 |",
        "| twotier, both tiers | 5,500 | 0.8 x | 90% | 0.2 | 80% | 5 | 20 | 7 | – | – | 2 | 1 | – |",
        "| twotier, both tiers | 0.25 | 3 | 9 | 290 | 380 | 4 |",
        "| twotier, both tiers | twotier 0.1.0 |",
        "| twotier, both tiers | 6,000 (5,000 to 7,000) | 1.2 (1.1 to 1.4) | 3 (2 to 4) |",
        "| twotier, both tiers | 1.2 | 3 | 1 | 2 | 1.5 | 2 |",
        "| the only model server is killed, and started again 2 s later | 4,000 x 200, 9,000 x 503 | 0.3 |",
        "| the one before is promoted again | 5,000 x 200 | 0.5 |",
    ):
        assert line in page.splitlines()
    assert "One run of `python -m loadtest.compare` on 2026-01-02 03:04 UTC, 31 minutes: a CPU, 2 cores, 24 GB" in page
    assert "wrk reaches 70,000 requests/s and the open-loop generator 30,000." in page


def test_the_readme_shows_the_headline() -> None:
    """twotier and its peers, each with what the run says of it."""
    assert headline(run()).splitlines() == [
        "| single rows, 64 connections | requests/s | p99, ms | lone p50, ms | 10,000 rows, s | at twice the peak: answered "
        "| left without a word |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| twotier, both tiers | 6,000 | 25 | 1.2 | 0.25 | 97% of the peak | 2.0% of calls |",
        "| BentoML, called directly | 1,000 | 2 | 1 | – | – | – |",
        "| FastAPI, model in process | 2,500 | 2 | 1 | – | – | – |",
        "| LitServe | – | – | – | – | – | – |",
    ]


def test_what_was_not_looked_at_has_no_section() -> None:
    """A quick run kills nobody."""
    whole = run()
    del whole["systems"]["twotier"]["killed"]
    assert "When something happens" not in markdown(whole)


def test_what_could_not_be_measured_is_shown_with_its_reason() -> None:
    """A system that cannot be installed keeps its line in every table, and its error is on the page."""
    page = markdown(run())
    assert "| LitServe | – | – | – | – |" in page
    assert "- LitServe, start: CannotInstall: no such version" in page
    assert "- FastAPI, model in process, closed 2: NotRunning: status 500" in page


def test_a_run_without_problems_has_no_list_of_them() -> None:
    """The heading is left out with the list."""
    whole = run()
    whole["systems"] = {"twotier": whole["systems"]["twotier"]}
    assert "could not be measured" not in markdown(whole)


def test_an_overload_without_recovery_says_how_long_it_was_watched() -> None:
    """Three seconds were watched after it, and none of them was good."""
    whole = run()
    whole["systems"]["twotier"]["open"][1]["recovery_seconds"] = None
    assert "| 2 | 1 | > 3 |" in markdown(whole)


def test_the_plots_are_drawn(tmp_path: Path) -> None:
    """Three small PNG files, for a run in which not every system has every point."""
    draw(run()["systems"], tmp_path / "figures")
    for name in ("throughput", "latency", "overload"):
        data = (tmp_path / "figures" / f"{name}.png").read_bytes()
        assert data.startswith(b"\x89PNG")
        assert len(data) < 150_000
