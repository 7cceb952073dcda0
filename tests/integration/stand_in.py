"""A stand-in for a tier: `python -m tests.integration.stand_in NAME PORT DIARY BEHAVIOUR`.

It writes what happens to it into DIARY, a line each, and answers every GET with its process id: 200, or 503 while BEHAVIOUR is
`unready`. `dies` ends it at once with code 3; `deaf` makes it ignore SIGTERM; otherwise SIGTERM ends it with code 0.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def main(name: str, port: int, diary: Path, behaviour: str) -> int:
    """Run until told to stop."""

    def note(event: str) -> None:
        with diary.open("a") as lines:
            lines.write(f"{name} {event}\n")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503 if behaviour == "unready" else 200)
            self.end_headers()
            self.wfile.write(str(os.getpid()).encode())

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    note("started")
    if behaviour == "dies":
        return 3
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)

    def stop(number: int, frame: object) -> None:
        note(signal.Signals(number).name)
        if behaviour != "deaf":
            threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever(poll_interval=0.01)
    note("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]))
