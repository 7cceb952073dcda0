"""Logs are JSON lines on stderr, or lines for people where stderr is a terminal."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from twotier.logs import configure_logs


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """What a test configures does not outlive it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged."""
    captured = capsys.readouterr()
    assert "" == captured.out
    return [json.loads(line) for line in captured.err.splitlines()]


def test_structlog_and_logging_make_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its time, level, service and values."""
    configure_logs("gateway")
    structlog.get_logger().info("answered", rows=3)
    logging.getLogger("uvicorn.error").warning("port %d", 8000, extra={"color_message": "\x1b[1mport\x1b[0m"})
    mine, theirs = lines(capsys)
    assert ("answered", "info", "gateway", 3) == (mine["event"], mine["level"], mine["service"], mine["rows"])
    assert ("port 8000", "warning", "gateway") == (theirs["event"], theirs["level"], theirs["service"])
    assert {"event", "level", "service", "timestamp"} == set(theirs)
    assert mine["timestamp"].endswith("Z")


def test_what_a_caller_smuggles_in_stays_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Line ends, escape sequences and the separators of Unicode are escaped."""
    nasty = '\n{"event": "forged"}\r\x1b[2J\u2028'
    configure_logs("gateway")
    structlog.get_logger().info("answered", user_agent=nasty)
    logging.getLogger("other").error(nasty)
    mine, theirs = lines(capsys)
    assert nasty == mine["user_agent"]
    assert nasty == theirs["event"]


def test_exceptions_are_in_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With their traceback, as text."""
    configure_logs("gateway")
    try:
        raise LookupError("lost")
    except LookupError:
        structlog.get_logger().exception("failed")
    (line,) = lines(capsys)
    assert ("failed", "error") == (line["event"], line["level"])
    assert "LookupError: lost" in line["exception"]


def test_bound_values_are_in_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A request id, once bound, need not be handed on."""
    configure_logs("gateway")
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        logging.getLogger("other").error("one")
    logging.getLogger("other").error("two")
    first, second = lines(capsys)
    assert "abc" == first["request_id"]
    assert "request_id" not in second


def test_level_is_a_floor(capsys: pytest.CaptureFixture[str]) -> None:
    """What is below it is not written, whoever logs it; configuring again replaces what was."""
    configure_logs("gateway", logging.INFO)
    configure_logs("gateway", logging.WARNING)
    structlog.get_logger().info("small")
    logging.getLogger("other").info("small")
    structlog.get_logger().warning("large")
    assert ["large"] == [line["event"] for line in lines(capsys)]


def test_warnings_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """They are lines like the others, not loose text between them."""
    configure_logs("gateway")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("careful", UserWarning, stacklevel=1)
    (line,) = lines(capsys)
    assert "careful" in line["event"]
    logging.captureWarnings(False)


def test_terminal_gets_lines_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """They begin with the time, and are no JSON."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    configure_logs("gateway")
    structlog.get_logger().info("answered", rows=3)
    (line,) = capsys.readouterr().err.splitlines()
    assert "answered" in line and "rows" in line
    with pytest.raises(json.JSONDecodeError):
        json.loads(line)
