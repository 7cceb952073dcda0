"""`python -m loadtest.compare`: measure every system on this machine, one after the other, and write what was found.

Raw values, logs, the table and the plots of every run go to a folder of its own under loadtest/results/. A whole run also renews
loadtest/RESULTS.md, RESULTS.json and figures/, and the README's table; one with --quick or --systems leaves them alone.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtest.compare.bars import CONNECTIONS
from loadtest.compare.champion import RAW, train_champion
from loadtest.compare.environments import CannotInstall, programs, versions
from loadtest.compare.failing import killed, promoted, stopped
from loadtest.compare.figures import draw
from loadtest.compare.measuring import FULL, QUICK, Effort, Measurement, clients, closed, guarded, measure
from loadtest.compare.headline import show
from loadtest.compare.report import markdown
from loadtest.compare.running import NotRunning, free_ports, running
from loadtest.compare.systems import BARE, SYSTEMS, UP, Stage, System
from loadtest.compare.wrk import CannotMeasure, require_wrk
from loadtest.machine import machine

LOADTEST = Path(__file__).parents[1]
README = LOADTEST.parent / "README.md"

OWN = "twotier"
COMPARED = (OWN, "bentoml", "fastapi", "fastapi-constant", "constant")
"""The systems of whose throughput and latency there are bars."""

ROUND_SECONDS = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 1 if twotier itself was among the systems and could not be measured."""
    names = [system.name for system in SYSTEMS]
    parser = argparse.ArgumentParser(prog="python -m loadtest.compare", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run: few points, a second each")
    parser.add_argument("--systems", default=",".join(names), help=f"which ones, with commas between (default: all): {', '.join(names)}")
    parser.add_argument("--results", type=Path, default=LOADTEST / "results", help="folder for the runs (default: %(default)s)")
    given = parser.parse_args(arguments)
    wanted = given.systems.split(",")
    if unknown := set(wanted).difference(names):
        parser.error(f"no such system: {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    try:
        require_wrk()
    except CannotMeasure as error:
        parser.error(str(error))
    chosen = [system for system in SYSTEMS if system.name in wanted]
    started = datetime.datetime.now(datetime.UTC)
    folder = given.results / started.strftime("%Y-%m-%dT%H%M%SZ")
    folder.mkdir(parents=True)
    command = " ".join(["python -m loadtest.compare", *(sys.argv[1:] if arguments is None else arguments)])
    run = _run(chosen, QUICK if given.quick else FULL, folder)
    run |= {"command": command, "started": f"{started:%Y-%m-%d %H:%M} UTC"}
    _write(run, folder)
    if not given.quick and len(chosen) == len(SYSTEMS):
        _write(run, LOADTEST)
        show(run, README)
    print(f"\n{folder / 'RESULTS.md'}")
    return 1 if any("error" in run["systems"][name] for name in wanted if name == "twotier") else 0


def _run(chosen: Sequence[System], effort: Effort, folder: Path) -> dict[str, Any]:
    facts = machine()
    began = time.monotonic()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        model, data = train_champion(Path(scratch, "data"))
        stage = Stage(programs=programs, model=model, data=data, folder=Path(scratch), ports=free_ports(4))
        with running(BARE, stage, folder / "bare.log") as server:
            ceilings = clients(server, effort.lone_seconds)
        for system in chosen:
            print(f"{system.title}", flush=True)
            found[system.name] = {"title": system.title, **_measured(system, effort, Path(scratch, system.name), folder, model, data)}
            (folder / f"{system.name}.json").write_text(json.dumps(found[system.name], indent=1) + "\n", encoding="utf-8")
        for number in range(effort.rounds):
            for system in chosen:
                if system.name in COMPARED and "error" not in found[system.name]:
                    print(f"{system.title}, round {number + 1}", flush=True)
                    log = folder / f"{system.name}.log"
                    found[system.name].setdefault("rounds", []).append(_round(system, Path(scratch, system.name), log, model, data))
    return {"minutes": round((time.monotonic() - began) / 60, 1), "machine": facts, "clients": ceilings, "systems": found}


def _measured(system: System, effort: Effort, scratch: Path, folder: Path, model: Path, data: Path) -> dict[str, Any]:
    scratch.mkdir()
    try:
        for name in system.environments:
            programs(name)
        installed = {name: version for environment in system.environments for name, version in versions(environment).items()}
        found: dict[str, Any] = {"versions": {name: installed[name] for name in system.packages}, "load_before": os.getloadavg()[0]}
        stage = Stage(programs=programs, model=model, data=data, folder=scratch, ports=free_ports(4))
        with running(system, stage, folder / f"{system.name}.log") as server:
            found |= measure(server, effort, lambda step: print(f"  {step}", flush=True))
            if system.name == OWN and effort.happenings:
                for what in (killed, stopped, promoted):
                    print(f"  {what.__name__}", flush=True)
                    found[what.__name__] = guarded(server, functools.partial(what, server))
        if system.name == OWN and effort.happenings:
            found["up_seconds"] = _up(scratch, folder / "up.log")
        return found
    except (CannotInstall, NotRunning, OSError) as error:
        print(f"  {error}", flush=True)
        return {"error": f"{type(error).__name__}: {error}"}


def _round(system: System, scratch: Path, log: Path, model: Path, data: Path) -> Measurement:
    """The points at which systems are compared, once more: they take turns, so that whatever else the machine does falls on all alike."""
    stage = Stage(programs=programs, model=model, data=data, folder=scratch, ports=free_ports(4))
    with running(system, stage, log) as server:
        try:
            server.start()
        except NotRunning as error:
            return {"error": f"NotRunning: {error}"}
        return {str(count): guarded(server, functools.partial(closed, server, count, ROUND_SECONDS, 1)) for count in (1, CONNECTIONS)}


def _up(scratch: Path, log: Path) -> Measurement:
    """Seconds from `twotier up` to the first right answer: over raw data alone, and again over what that has trained."""
    data = scratch / "raw-data-alone"
    shutil.copytree(RAW, data / "raw")
    found: Measurement = {}
    for moment in ("first", "again"):
        with running(UP, Stage(programs=programs, model=scratch, data=data, folder=scratch, ports=free_ports(4)), log) as server:
            try:
                found[moment] = round(server.start(), 2)
            except NotRunning as error:
                found["error"] = str(error)
    return found


def _write(run: dict[str, Any], folder: Path) -> None:
    compact = json.dumps(_without_histograms(run), separators=(",", ":"))
    (folder / "RESULTS.json").write_text(compact.replace('},"', '},\n"') + "\n", encoding="utf-8")
    (folder / "RESULTS.md").write_text(markdown(run), encoding="utf-8")
    shutil.rmtree(folder / "figures", ignore_errors=True)
    draw(run["systems"], folder / "figures")


def _without_histograms(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _without_histograms(value) for key, value in tree.items() if key not in ("histogram", "timeline")}
    return [_without_histograms(value) for value in tree] if isinstance(tree, list) else tree


if __name__ == "__main__":
    sys.exit(main())
