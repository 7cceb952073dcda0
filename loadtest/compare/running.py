"""A system while it runs: started, asked, watched, and stopped by the ids of its own processes."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil

from loadtest.compare.systems import SPECIES, Process, Stage, System

START_SECONDS = 90.0
STOP_SECONDS = 10.0


class NotRunning(Exception):
    """The system does not answer as it should; the message holds what it did, and the end of its log."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(probe.getsockname()[1]) for probe in probes]


@functools.cache
def _made_once(body: Callable[[int], bytes], rows: int) -> bytes:
    """To make it anew for each call would keep a processor from the servers that are measured."""
    return body(rows)


class Running:
    """One system's processes."""

    def __init__(self, system: System, stage: Stage, log: Path) -> None:
        self.system = system
        self.url = stage.url() + system.path
        self.stage = stage
        self._log = log
        self._roles: dict[str, psutil.Popen] = {}
        self._seen: dict[int, psutil.Process] = {}

    def start(self) -> float:
        """Start every process and wait for the first right answer; the seconds that it took. Raises NotRunning."""
        processes = self.system.start(self.stage)
        began = time.perf_counter()
        for process in processes:
            self._roles[process.role] = self._spawn(process)
        while (took := time.perf_counter() - began) < START_SECONDS:
            try:
                self.ask()
                return took
            except (NotRunning, OSError, http.client.HTTPException) as error:
                problem = str(error)
            if gone := [role for role, process in self._roles.items() if process.status() == psutil.STATUS_ZOMBIE]:
                raise NotRunning(f"its {gone[0]} ended at once\n{self.tail()}")
            time.sleep(0.02)
        raise NotRunning(f"no right answer within {START_SECONDS:.0f} s: {problem}\n{self.tail()}")

    def send(self, role: str, number: signal.Signals) -> None:
        """Send a signal to the process of a role; one that ends by it is waited for."""
        self._roles[role].send_signal(number)
        if number == signal.SIGKILL:
            self._roles[role].wait(STOP_SECONDS)

    def start_again(self, role: str) -> None:
        """Start the process of a role anew."""
        (process,) = (each for each in self.system.start(self.stage) if each.role == role)
        self._roles[role] = self._spawn(process)

    def _spawn(self, process: Process) -> psutil.Popen:
        with self._log.open("ab") as output:
            environment = {**os.environ, **process.environment}
            # A session of its own: Ctrl-C ends the comparison, which then ends the servers itself.
            return psutil.Popen(
                process.command, cwd=process.folder, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    def ask(self, rows: int | None = None, timeout: float = 30.0) -> float:
        """Ask about one row, or `rows` of them in one call, and check the answer; the seconds that it took. Raises NotRunning."""
        path, body = self.system.path, self.system.body
        if rows is not None:
            assert self.system.bulk is not None
            path, body = self.system.bulk[0], _made_once(self.system.bulk[1], rows)
        connection = http.client.HTTPConnection("127.0.0.1", self.stage.ports[0], timeout=timeout)
        with contextlib.closing(connection):
            began = time.perf_counter()
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            answer = reply.read()
            took = time.perf_counter() - began
        if reply.status != 200 or answer.count(SPECIES) < (rows or 1):
            raise NotRunning(f"status {reply.status}: {answer[:300].decode('utf-8', 'replace')}")
        return took

    def memory_mb(self) -> dict[str, float]:
        """Resident memory by role, of each process and its children, in MB."""
        return {role: round(sum(memory_of(process) for process in _tree([root])) / 1e6, 1) for role, root in self._roles.items()}

    def cpu_seconds(self) -> float:
        """What all the processes have used so far."""
        return sum(cpu_of(process) for process in self._tree())

    def tail(self) -> str:
        """The end of the log."""
        return self._log.read_text("utf-8", "replace")[-1500:]

    def _tree(self) -> list[psutil.Process]:
        found = _tree(self._roles.values())
        self._seen |= {process.pid: process for process in found}
        return found

    def stop(self) -> None:
        """Ask every process to end, and end what does not, children that outlive their parent among them."""
        self._tree()
        for root in self._roles.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                root.terminate()
        _, alive = psutil.wait_procs(list(self._roles.values()), STOP_SECONDS)
        # A process is known by its id and its time of birth, so nobody else's is ended.
        for process in {*alive, *self._seen.values()}:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(list(self._seen.values()), STOP_SECONDS)
        self._roles.clear()
        self._seen.clear()


def _tree(roots: Iterable[psutil.Process]) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for root in roots:
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [root, *root.children(recursive=True)]
    return found


def memory_of(process: psutil.Process) -> int:
    """Resident bytes; 0 once it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0


def cpu_of(process: psutil.Process) -> float:
    """Seconds of processor time; 0 once it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


@contextlib.contextmanager
def running(system: System, stage: Stage, log: Path) -> Iterator[Running]:
    """The system, not yet started, and ended when the block is left."""
    made = Running(system, stage, log)
    try:
        yield made
    finally:
        made.stop()
