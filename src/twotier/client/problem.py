"""What a call may raise besides ValueError."""

from __future__ import annotations

from typing import Any

from twotier.errors import Fault, TwotierError


class Problem(TwotierError):
    """The gateway refused, with a problem document (RFC 9457).

    `errors` says where in the rows something is wrong: at most the first few; `instance` is the request's id in the gateway's log.
    """

    def __init__(self, status: int, document: dict[str, Any]) -> None:
        self.status = status
        self.type = str(document.get("type", "about:blank"))
        self.title = str(document.get("title", ""))
        self.detail = str(document.get("detail", ""))
        self.instance = str(document.get("instance", ""))
        named = document.get("errors")
        faults = [fault for fault in named if isinstance(fault, dict)] if isinstance(named, list) else []
        self.errors = tuple(Fault(str(fault.get("pointer", "")), str(fault.get("detail", ""))) for fault in faults)
        said = ": ".join(filter(None, (f"{status} {self.title}".rstrip(), self.detail)))
        super().__init__("; ".join([said, *(f"{fault.pointer}: {fault.detail}" for fault in self.errors)]))


class NoAnswer(TwotierError):
    """The gateway could not be reached, did not answer in time, or answered something that is not its own."""
