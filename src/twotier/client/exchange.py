"""What is said to the gateway and what its replies mean. Both clients share this module, and it does no input or output."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from twotier.client.problem import NoAnswer, Problem
from twotier.errors import ConfigurationError

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_SECONDS = 5.0

GRACE_SECONDS = 1.0
"""How much longer than the request's budget the client listens, so that the gateway's own 504 can still arrive and say what was slow."""

Row = Mapping[str, Any]
Rows = Row | Sequence[Row] | Mapping[str, Row]
"""One row, a list of rows, or rows by keys of the caller's own. The answer has the same shape."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `target` is its path and query."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, read to its end."""

    status: int
    body: bytes


class Gateway:
    """One gateway's address and the time it is given: makes requests, reads replies.

    `timeout` is in seconds, and is told to the gateway. Raises ConfigurationError if `base_url` is not an http or https address.
    """

    def __init__(self, base_url: str, timeout: float) -> None:
        parts = urlsplit(base_url)
        try:
            self.port = parts.port
        except ValueError:
            parts = parts._replace(scheme="")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"{base_url!r} is not the address of a gateway: give one such as {DEFAULT_URL}")
        if not timeout > 0:
            raise ConfigurationError(f"the timeout must be more than 0 seconds, not {timeout}")
        self.base_url = base_url.rstrip("/")
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.secure = parts.scheme == "https"
        self.host = parts.hostname
        self.patience = timeout + GRACE_SECONDS
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Accept": "application/json", "X-Request-Deadline-Ms": str(max(1, round(timeout * 1000)))}

    def predict(self, family: str, rows: Rows, version: str | None, probabilities: bool, partial: bool) -> Request:
        """Ask for answers. Raises ValueError or TypeError for rows that JSON cannot carry, such as a NaN."""
        pinned = f"/versions/{quote(version, safe='')}" if version else ""
        asked = {name: "true" for name, wanted in (("probabilities", probabilities), ("partial", partial)) if wanted}
        query = "?" + urlencode(asked) if asked else ""
        body = json.dumps(rows, allow_nan=False, separators=(",", ":")).encode()
        headers = {**self._headers, "Content-Type": "application/json"}
        return Request("POST", f"{self._prefix}/{quote(family, safe='')}{pinned}/predict{query}", headers, body)

    def get(self, path: str) -> Request:
        """Ask for a page of the gateway's own, such as `/models`."""
        return Request("GET", self._prefix + path, self._headers)

    def read(self, reply: Reply) -> Any:
        """What the reply says. Raises Problem or NoAnswer."""
        try:
            said = json.loads(reply.body)
        except ValueError:
            said = None
        if reply.status == 200 and said is not None:
            return said
        if reply.status >= 300:
            raise Problem(reply.status, said if isinstance(said, dict) else {"title": "not a reply of the gateway's own"})
        raise NoAnswer(f"{self.base_url} answered {reply.status} with something that is not JSON: is it a gateway?")

    def lost(self, error: Exception) -> NoAnswer:
        """No reply came, because of `error`."""
        if isinstance(error, TimeoutError):
            return NoAnswer(f"{self.base_url} did not answer within {self.patience:g} s")
        return NoAnswer(f"{self.base_url} could not be reached ({str(error) or type(error).__name__}): is the gateway running?")
