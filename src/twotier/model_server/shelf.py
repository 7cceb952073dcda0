"""Which versions are in memory, and which of them answers for a name.

What an alias points at is loaded and kept. Any other version is loaded when it is first asked for, and the least recently used one
leaves when there are too many. A version that has not passed its gate is not loaded, by whatever name it is asked for. `refresh` follows
the ledger: a moved alias's version is loaded beside the old one, and only once it has been verified do callers meet it; if it may not
serve, the old one goes on.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from twotier.errors import NotServable, TwotierError
from twotier.model_server.metrics import ALIAS_OK, LOADED_AT, LOADS_FAILED
from twotier.registry import Registry, Version
from twotier.scorer import Scorer
from twotier.wire import AliasInfo, FamilyInfo, VersionInfo

__all__ = ["Shelf"]

Key = tuple[str, str]
"""Family and version."""

_MAX_FINDING = 500
"""Characters of one sentence of a gate that are told; the ledger has all of them."""

_MOST_TOLD = 50
"""The newest versions of a family, of which is told what their gate found: what is said of all versions is read again and again."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _View:
    """What the ledger said of one family when it was last read; replaced as a whole, so that readers need no lock."""

    aliases: Mapping[str, AliasInfo] = field(default_factory=dict)
    versions: Sequence[Version] = ()
    names: Mapping[str, Version] = field(default_factory=dict)
    """Every name that callers may use but aliases -> version."""


class Shelf:
    """The versions in memory. Safe to use from several threads; `refresh` is called by one at a time."""

    def __init__(self, registry: Registry, *, max_loaded: int, retry_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._max_loaded = max_loaded
        self._retry_seconds = retry_seconds
        self._clock = clock
        # What the ledger said when it was last read, and its state right before that: reading it holds up callers for milliseconds.
        self._state: object = None
        self._read: dict[str, tuple[Sequence[Version], Mapping[str, str]]] = {}
        self._views: dict[str, _View] = {}
        self._lock = threading.Lock()
        self._loaded: OrderedDict[Key, Scorer] = OrderedDict()
        self._loading: dict[Key, Future[Scorer]] = {}
        self._failed: dict[Key, tuple[float, BaseException]] = {}
        self._held: set[Key] = set()

    @property
    def ready(self) -> bool:
        """Whether any alias of any family has a version that answers for it."""
        return any(alias.serving for view in self._views.values() for alias in view.aliases.values())

    def info(self) -> dict[str, FamilyInfo]:
        """Say what there is of each family, as of the last refresh."""
        return {
            family: FamilyInfo(
                aliases=dict(view.aliases),
                versions=[
                    _version_info(each, (family, each.name) in self._loaded, at < _MOST_TOLD) for at, each in enumerate(view.versions)
                ],
            )
            for family, view in self._views.items()
        }

    def serving(self, family: str, alias: str) -> str | None:
        """The version that answers for an alias, as of the last refresh."""
        known = self._views.get(family, _View()).aliases.get(alias)
        return known.serving if known else None

    def scorer(self, family: str, name: str) -> Scorer:
        """Give what answers for a version or an alias, loading it if need be.

        Raises UnknownFamily, UnknownVersion, NotServable, or whatever kept it from being loaded.
        """
        key = family, self._resolve(family, name)
        if found := self._hit(key):
            return found
        self._check_gate(*key)
        return self._load(key)

    def has(self, family: str, name: str) -> bool:
        """Whether `scorer` would answer at once, without reading the ledger or the store."""
        alias = self._views.get(family, _View()).aliases.get(name)
        return (alias is not None and alias.serving is None) or self.loaded(family, name) is not None

    def loaded(self, family: str, name: str) -> Scorer | None:
        """What answers for a version or an alias, if it is in memory."""
        view = self._views.get(family, _View())
        alias, version = view.aliases.get(name), view.names.get(name)
        return self._loaded.get((family, (alias.serving if alias else version and version.name) or ""))

    def refresh(self) -> None:
        """Read the ledger and follow its aliases. Raises what the registry raises if it cannot be read: what is loaded goes on serving."""
        state = self._registry.state()
        if state != self._state:
            self._read = {family: (self._registry.versions(family), self._registry.aliases(family)) for family in self._registry.families}
            self._state = state
        for family, (versions, aliases) in self._read.items():
            before = self._views.get(family, _View()).aliases
            followed = {alias: self._follow(family, alias, version, before.get(alias)) for alias, version in aliases.items()}
            self._views[family] = _View(followed, versions, _names(versions))
        with self._lock:
            self._held = {(family, each.serving) for family, view in self._views.items() for each in view.aliases.values() if each.serving}
            self._evict()

    def _follow(self, family: str, alias: str, version: str, before: AliasInfo | None) -> AliasInfo:
        if before and before.version == before.serving == version:
            return before
        if before is None or before.version != version:
            # Somebody moved the alias here since that version failed: they may have mended it.
            self._failed.pop((family, version), None)
        try:
            self._hold(family, version)
            now = AliasInfo(version=version, serving=version)
        except Exception as error:
            serving = (before and before.serving) or self._fall_back(family, alias, version)
            now = AliasInfo(version=version, serving=serving, problem=_problem(error))
        if now != before:
            _log.log(logging.ERROR if now.problem else logging.INFO, "alias", family=family, alias=alias, **now.model_dump())
        ALIAS_OK.labels(family, alias).set(now.problem is None)
        return now

    def _fall_back(self, family: str, alias: str, failed: str) -> str | None:
        """The newest version that the alias pointed at earlier and that loads."""
        for earlier in dict.fromkeys(move.to_version for move in self._registry.history(family, alias)):
            if earlier != failed:
                with suppress(Exception):
                    self._hold(family, earlier)
                    return earlier
        return None

    def _hold(self, family: str, version: str) -> None:
        """Load a version that an alias needs; it does not count among those that may be many."""
        self._held.add((family, version))
        self._check_gate(family, version)
        self._load((family, version))

    def _check_gate(self, family: str, name: str) -> None:
        """Refuse a version that has not passed its gate. That is no failure to be remembered: it serves as soon as it is judged."""
        version = self._views.get(family, _View()).names.get(name)
        if version is None or version.gate is None:
            # It may have been judged since the last refresh.
            version = self._registry.version(family, name)
        if version.gate is None or not version.gate.passed:
            found = "has not been judged by its gate yet" if version.gate is None else "did not pass its gate"
            raise NotServable(f"{family} {name} {found}, so it does not serve: GET /models/{family} shows which versions passed")

    def _resolve(self, family: str, name: str) -> str:
        view = self._views.get(family, _View())
        if alias := view.aliases.get(name):
            if alias.serving is None:
                raise NotServable(f"nothing can serve as {name} of {family}: {alias.problem}")
            return alias.serving
        # A version may be newer than the last refresh. A name that nobody knows is refused by the registry, in words.
        return (view.names.get(name) or self._registry.version(family, name)).name

    def _hit(self, key: Key) -> Scorer | None:
        with self._lock:
            if found := self._loaded.get(key):
                self._loaded.move_to_end(key)
            return found

    def _load(self, key: Key) -> Scorer:
        """Load a version once, however many ask for it at the same time. A failure stands for a while."""
        with self._lock:
            if found := self._loaded.get(key):
                return found
            until, error = self._failed.get(key, (-math.inf, None))
            if error and self._clock() < until:
                # Raised again and again, one exception would gather all their tracebacks.
                raise error.with_traceback(None)
            under_way = self._loading.get(key)
            if under_way is None:
                mine = self._loading[key] = Future[Scorer]()
        if under_way is not None:
            return under_way.result()
        try:
            scorer = self._registry.load(*key)
        except BaseException as error:
            LOADS_FAILED.labels(key[0]).inc()
            _log.warning("not_loaded", family=key[0], version=key[1], exc_info=None if isinstance(error, NotServable) else error)
            with self._lock:
                del self._loading[key]
                self._failed[key] = self._clock() + self._retry_seconds, error
            mine.set_exception(error)
            raise
        LOADED_AT.labels(*key).set_to_current_time()
        with self._lock:
            del self._loading[key]
            self._failed.pop(key, None)
            self._loaded[key] = scorer
            self._evict()
        mine.set_result(scorer)
        return scorer

    def _evict(self) -> None:
        """Drop what is too many, the least recently used first. Called with the lock held."""
        spare = [key for key in self._loaded if key not in self._held]
        for key in spare[: max(0, len(spare) - self._max_loaded)]:
            del self._loaded[key]


def _names(versions: Sequence[Version]) -> dict[str, Version]:
    """Names of versions, and `<estimator>_latest` for the newest of an estimator that passed its gate."""
    latest = {f"{each.estimator}_latest": each for each in reversed(versions) if each.gate and each.gate.passed}
    return latest | {each.name: each for each in versions}


def _problem(error: Exception) -> str:
    return str(error) if isinstance(error, TwotierError) else f"{type(error).__name__}: see the model server's log"


def _cut(finding: str) -> str:
    """Of bounded length: a finding may quote whatever a check raised."""
    return finding if len(finding) <= _MAX_FINDING else f"{finding[:_MAX_FINDING]}…"


def _version_info(version: Version, loaded: bool, told: bool) -> VersionInfo:
    gate = version.gate
    return VersionInfo(
        version=version.name,
        estimator=version.estimator,
        created_at=version.created_at,
        metrics={split: dict(values) for split, values in version.metrics.items()},
        gate_passed=gate and gate.passed,
        gate_findings=[_cut(finding) for finding in gate.findings] if gate and told else None,
        loaded=loaded,
    )
