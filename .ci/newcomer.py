"""`python .ci/newcomer.py make run`: do it as a newcomer does, in a terminal, twice; free ports are the only difference.

Wait until it is ready, do the README's first curl, compare the answer, press Ctrl-C, and expect exit code 0. The second time nothing may
be installed or trained again. Standard library only: nothing is installed yet when it starts.
"""

from __future__ import annotations

import os
import pty
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def free_port() -> str:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def call(gateway: str) -> None:
    """Do the README's first curl, with the gateway's port, and compare the answer."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^\$ (curl .*)\n(.*)\n", readme, re.MULTILINE)
    assert found, "README.md has no curl"
    command = found[1].replace("127.0.0.1:8000", f"127.0.0.1:{gateway}")
    if subprocess.run("command -v curl", shell=True, stdout=subprocess.DEVNULL).returncode:
        command = command.replace("curl", f"{ROOT}/.venv/bin/python -m tests.shell", 1)
    print(f"\n$ {command}", flush=True)
    answer = subprocess.run(command, shell=True, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    print(answer, flush=True)
    assert found[2] == answer, f"README.md says {found[2]}"


def once(command: list[str]) -> str:
    """Do all of it once, and give what was printed."""
    ports = {"GATEWAY_PORT": free_port(), "MODEL_SERVER_PORT": free_port(), "TRAINING_PORT": free_port()}
    began = time.monotonic()
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.environ.update(ports)
        os.execvp(command[0], command)
    printed = b""
    called = False
    while True:
        try:
            more = os.read(terminal, 10_000)
        except OSError:
            # That is how Linux says that nobody has the terminal any more.
            more = b""
        if not more:
            break
        printed += more
        sys.stdout.buffer.write(more)
        sys.stdout.flush()
        if not called and b"Ctrl-C stops it" in printed:
            called = True
            print(f"\nready after {time.monotonic() - began:.1f} s", flush=True)
            call(ports["GATEWAY_PORT"])
            os.write(terminal, b"\x03")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert called, f"it ended with {code} before it was ready"
    assert 0 == code, f"it ended with {code} after Ctrl-C"
    return printed.decode()


def main(command: list[str]) -> None:
    """Do it twice."""
    first, second = once(command), once(command)
    for step in ("Installing", "iris log_reg_1"):
        assert step in first, f"the first time, {step!r} was expected"
        assert step not in second, f"the second time, {step!r} was not expected"
    print("\na newcomer gets what README.md says, twice")


if __name__ == "__main__":
    main(sys.argv[1:])
