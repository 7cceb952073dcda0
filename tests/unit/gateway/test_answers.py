"""Answers that are sent in pieces."""

from __future__ import annotations

import pytest
from starlette.types import Message, Scope

from twotier.gateway.answers import JSONInPieces


@pytest.mark.parametrize("pieces", [[b"[1,2,3]"], [b"[1,", b"2,", b"3]"]])
async def test_pieces_make_one_answer(pieces: list[bytes]) -> None:
    """With its length at the head, and the last piece marked as such."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing is to be read")

    scope: Scope = {"type": "http"}
    await JSONInPieces(pieces, 201)(scope, receive, send)
    assert sent[0]["status"] == 201
    assert dict(sent[0]["headers"]) == {b"content-length": b"7", b"cache-control": b"no-store", b"content-type": b"application/json"}
    assert [(message["body"], message["more_body"]) for message in sent[1:]] == [(piece, piece != pieces[-1]) for piece in pieces]
