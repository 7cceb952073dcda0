"""The least that a server can do: the same bytes for whatever comes. Whoever measures it measures the client. `bare.py PORT`."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

BODY = b'{"output":"Iris-virginica","model_name":"none"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Bare(asyncio.Protocol):
    """One connection; a request comes in one piece here."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer."""
        self._transport.write(ANSWER)


async def main() -> None:
    """Serve until ended."""
    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", int(sys.argv[1]), backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
