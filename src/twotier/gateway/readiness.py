"""Whether the gateway can answer predictions now, and if not, why. Pure: sightings in, verdict out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from twotier.gateway.catalogue import Sighting
from twotier.gateway.forwarding import DEFAULT_ALIAS
from twotier.wire import FamilyInfo

__all__ = ["Dependency", "FamilyState", "Lifecycle", "Readiness", "assess"]


@dataclass
class Lifecycle:
    """Whether the gateway is being stopped."""

    draining: bool = False


class Dependency(BaseModel):
    """Something that the gateway cannot work without."""

    name: str
    status: Literal["up", "down"]
    detail: str | None = Field(default=None, description="Why it is down.")


class FamilyState(BaseModel):
    """Whether a family answers."""

    status: Literal["serving", "not serving"]
    version: str | None = Field(default=None, description="The version that answers callers who pin none.")
    problems: list[str] = Field(default=[], description="Aliases that another version answers for than the one they point at, and why.")


class Readiness(BaseModel):
    """What /readyz answers."""

    ready: bool
    detail: str
    dependencies: list[Dependency]
    families: dict[str, FamilyState]


def assess(sightings: Mapping[str, Sighting], families: Iterable[str], draining: bool) -> Readiness:
    """Ready means: not being stopped, and some reachable model server serves some family."""
    dependencies = [
        Dependency(name=f"model server {server}", status="up" if seen.problem is None else "down", detail=seen.problem)
        for server, seen in sightings.items()
    ]
    reachable = [seen.info.families for seen in sightings.values() if seen.problem is None and seen.info is not None]
    states = {name: _state([served[name] for served in reachable if name in served]) for name in families}
    serving = any(state.status == "serving" for state in states.values())
    if draining:
        detail = "the gateway is being stopped"
    elif not reachable:
        detail = "no model server can be reached: " + "; ".join(f"{one.name}: {one.detail}" for one in dependencies)
    elif not serving:
        broken = any(state.problems for state in states.values())
        detail = "no family has a version that serves: " + ("see `families`" if broken else "train one")
    elif all(state.status == "serving" and not state.problems for state in states.values()):
        detail = "all is well"
    else:
        detail = "some families have problems: see `families`"
    return Readiness(ready=serving and not draining, detail=detail, dependencies=dependencies, families=states)


def _state(infos: list[FamilyInfo]) -> FamilyState:
    problems = [
        f"{alias} points at {to.version}, but {to.serving or 'nothing'} answers: {to.problem or 'it is being loaded'}"
        for info in infos
        for alias, to in info.aliases.items()
        if to.serving != to.version
    ]
    champions = [info.aliases[DEFAULT_ALIAS].serving for info in infos if DEFAULT_ALIAS in info.aliases]
    version = next((serving for serving in champions if serving is not None), None)
    return FamilyState(status="serving" if version else "not serving", version=version, problems=list(dict.fromkeys(problems)))
