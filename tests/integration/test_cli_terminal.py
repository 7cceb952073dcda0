"""Ctrl-C in a terminal, typed into a real one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROGRAM = textwrap.dedent(
    """
    import contextlib, signal, sys
    from twotier.cli.terminal import own_foreground
    signal.signal(signal.SIGINT, lambda number, frame: sys.exit(0))
    with own_foreground() if {ours} else contextlib.nullcontext():
        print("running", flush=True)
        signal.pause()
    """
)


def _type_ctrl_c(command: list[str]) -> tuple[int, str]:
    """Run a command in a terminal of its own, press Ctrl-C once it is running, and say how it ended and what it printed."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    said = b""
    while b"running" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    try:
        while more := os.read(terminal, 1000):
            said += more
    except OSError:
        # That is how Linux says that nobody has the terminal any more.
        pass
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), said.decode()


def _makefile(folder: Path, ours: bool) -> list[str]:
    program = folder / "program.py"
    program.write_text(PROGRAM.format(ours=ours))
    makefile = folder / "Makefile"
    makefile.write_text(f"run:\n\t@exec {sys.executable} {program}\n\t@echo goes on\n")
    return ["make", "-f", str(makefile), "run"]


def test_make_does_not_fail_by_ctrl_c(tmp_path: Path) -> None:
    """Under make, Ctrl-C reaches only us: when we end well, make goes on and ends well, and may write to the terminal again."""
    code, said = _type_ctrl_c(_makefile(tmp_path, ours=True))

    assert 0 == code, said
    assert "goes on" in said


def test_make_fails_otherwise(tmp_path: Path) -> None:
    """The control: without a group of our own, make dies of the same Ctrl-C, although we end well."""
    code, said = _type_ctrl_c(_makefile(tmp_path, ours=False))

    assert 0 != code
    assert "goes on" not in said


def test_a_group_s_leader_stays_as_it_is(tmp_path: Path) -> None:
    """Started by a shell in a group of its own, there is nothing to take over."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(ours=True))

    code, said = _type_ctrl_c([sys.executable, str(program)])

    assert 0 == code, said


@pytest.mark.parametrize("ours", [True, False])
def test_without_a_terminal(tmp_path: Path, ours: bool) -> None:
    """Where there is no terminal, nothing changes: a signal to the whole group reaches us."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(ours=ours))
    # A shell leads the group, as make would.
    command = ["sh", "-c", f"{sys.executable} {program}; exit $?"]

    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, process_group=0) as process:
        assert process.stdout is not None
        assert b"running\n" == process.stdout.readline()
        os.killpg(process.pid, 2)
        # dash is told of the signal too, and may end by it or with our code.
        assert process.wait() in (0, -2, 130)
