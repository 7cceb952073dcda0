"""The request that is sent, and the reading of answers."""

from __future__ import annotations

import pytest

from loadtest.http_target import Answer, Unreadable, parse, target


def test_a_body_is_posted_as_json() -> None:
    """The request is complete HTTP/1.1, with the caller's headers."""
    made = target("http://127.0.0.1:8000/iris/predict?partial=true", b"{}", {"X-Request-Deadline-Ms": "1000"})
    assert made.address == ("127.0.0.1", 8000)
    assert made.request == (
        b"POST /iris/predict?partial=true HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nX-Request-Deadline-Ms: 1000\r\n"
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )


def test_no_body_is_a_get() -> None:
    """An address without path and port is the root on port 80."""
    made = target("http://localhost", b"")
    assert made.address[1] == 80
    assert made.request == b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "127.0.0.1:8000", "http:///x", "ftp://localhost/"])
def test_only_plain_http_is_spoken(url: str) -> None:
    """Another scheme is refused by name, before anything is sent."""
    with pytest.raises(ValueError, match="not an http:// address"):
        target(url, b"")


def test_load_is_aimed_at_this_machine_unless_told_otherwise() -> None:
    """192.0.2.1 is a documentation address: it is refused without being contacted, and accepted on request."""
    with pytest.raises(ValueError, match="--allow-remote"):
        target("http://192.0.2.1/", b"")
    assert target("http://192.0.2.1/", b"", allow_remote=True).address == ("192.0.2.1", 80)


def test_an_answer_is_read_when_all_of_it_has_come() -> None:
    """At every earlier byte there is none yet."""
    whole = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy"
    assert all(parse(whole[:size]) is None for size in range(len(whole)))
    assert parse(whole) == Answer(503, b"busy", close=False)


def test_the_end_of_the_connection_is_seen_whatever_its_case() -> None:
    """Header names and values are compared in lower case."""
    answer = parse(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nConnection: Close\r\n\r\n")
    assert answer == Answer(200, b"", close=True)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
)
def test_what_cannot_be_read_is_an_error_and_no_answer(data: bytes) -> None:
    """A length that is not said cannot be guessed."""
    with pytest.raises(Unreadable, match="Content-Length"):
        parse(data)
