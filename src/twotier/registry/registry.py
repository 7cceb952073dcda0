"""The front door of the registry: publish, look up, load, promote."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from twotier.card import Card
from twotier.errors import ConfigurationError, GateRefused, InputRefused, SignatureInvalid, UnknownVersion
from twotier.families import Families, offered
from twotier.family import Family
from twotier.registry import keys
from twotier.registry.artefact import assemble, write_card
from twotier.registry.ledger import Ledger
from twotier.registry.manifest import fingerprint
from twotier.registry.names import may_be_alias
from twotier.registry.records import ANYWHERE, AliasMove, Draft, GateReport, Version
from twotier.registry.settings import RegistrySettings
from twotier.registry.store import ArtefactStore
from twotier.settings import SharedSettings

if TYPE_CHECKING:
    from twotier.scorer import Scorer


def _nobody(manifest_sha256: str) -> None:
    """Tell nobody."""


class Registry:
    """Versions, their artefacts and their aliases. Safe to use from several threads and processes."""

    families: Families

    def __init__(self, families: Families, ledger: Ledger, store: ArtefactStore, settings: RegistrySettings, home: Path) -> None:
        self.families = families
        self._ledger = ledger
        self._store = store
        self._signing_key = settings.signing_key or home / "keys" / "signing_key.pem"
        self._trusted_keys = settings.trusted_keys or home / "keys" / "trusted"
        self._skew = settings.skew

    @classmethod
    def open(cls, settings: RegistrySettings, shared: SharedSettings) -> Self:
        """Open the registry that the settings describe; make or upgrade its ledger. Raises ConfigurationError."""
        home = shared.data
        families = offered(shared)
        store = ArtefactStore(settings.store_url or str(home / "models"))
        ledger = Ledger(settings.ledger_url or f"sqlite:///{home / 'database.sqlite'}")
        return cls(families, ledger, store, settings, home)

    def close(self) -> None:
        """Close the connections to the ledger."""
        self._ledger.close()

    def mirror(self, family: Family, data: Path) -> bool:
        """Copy the family's raw data into the ledger's table for it, if it wants one; say whether the table was made anew."""
        dataset = family.dataset
        if dataset.table is None:
            return False
        return self._ledger.mirror(dataset.table, dataset.fingerprint(data), dataset.batches(data))

    def publish(
        self, family: Family, estimator: str, model: Any, draft: Draft, *, announce: Callable[[str], None] = _nobody
    ) -> Version:
        """Give the model the next number of its estimator, sign its artefact, put it in the store and record it.

        It is then a candidate: no alias points at it. Killed or failed at any point, there is no such version. Just before it is recorded,
        `announce` is told the SHA-256 of its manifest, for `tidy`: should whoever publishes be killed right after.
        """
        if estimator not in family.estimators:
            raise ConfigurationError(f"{family.name} has no estimator of that name; it has: {', '.join(family.estimators)}")
        pickled = pickle.dumps(model)

        def put(number: int, created_at: datetime) -> tuple[Card, str]:
            card = write_card(family, estimator, f"{estimator}_{number}", created_at, draft)
            files = assemble(family, card, pickled, draft, keys.signing_key(self._signing_key, self._trusted_keys))
            self._store.write(family.name, card.version, files)
            announce(manifest_sha256 := fingerprint(files))
            return card, manifest_sha256

        return self._ledger.add(family.name, estimator, put)

    def tidy(self, family: str, estimator: str, manifest_sha256: str | None = None) -> None:
        """Remove the files that a publish left behind which was killed, as the next publish would, and the version with that manifest.

        A version that was judged stays: it may have served, and an alias may point at it.
        """
        self._ledger.tidy(family, estimator, manifest_sha256, lambda number: self._store.remove(family, f"{estimator}_{number}"))

    def record_gate(self, version: Version, report: GateReport) -> Version:
        """Record what the gate found; only a version that passed can be promoted."""
        return self._ledger.record_gate(version, report)

    def state(self) -> object:
        """What is another whenever `versions` (but for what gates found) or `aliases` of any family are, and costs much less."""
        return self._ledger.state()

    def versions(self, family: str) -> list[Version]:
        """Give the family's versions, newest first. Raises UnknownFamily."""
        return self._ledger.versions(self.families[family].name)

    def version(self, family: str, name: str) -> Version:
        """Find a version by its name, an alias, or `<estimator>_latest`: the newest of them that passed its gate.

        Raises UnknownFamily or UnknownVersion.
        """
        found = self._ledger.find(self.families[family].name, name)
        if found is None:
            there = [*self.aliases(family), *(version.name for version in self.versions(family))]
            raise UnknownVersion(f"{family} has no such version or alias; it has: {', '.join(there[:20]) or 'none yet, so train one'}")
        return found

    def aliases(self, family: str) -> dict[str, str]:
        """Alias -> version name, in alphabetical order. Raises UnknownFamily."""
        return self._ledger.aliases(self.families[family].name)

    def history(self, family: str, alias: str) -> list[AliasMove]:
        """Give an alias's moves, newest first; none if it never pointed anywhere. Raises UnknownFamily."""
        return self._ledger.history(self.families[family].name, alias)

    def load(self, family: str, version: str) -> Scorer:
        """Make a version ready to answer: verify it, unpickle it, replay its golden rows.

        Raises UnknownFamily, UnknownVersion or NotServable, whose subclass says which of the checks it failed.
        """
        # Scikit-learn takes two seconds to import, and who only looks at the ledger needs none of it.
        from twotier.registry.loading import load

        found = self.version(family, version)
        try:
            trusted = keys.trusted_keys(self._trusted_keys)
        except ConfigurationError as error:
            raise SignatureInvalid(f"{family} {found.name} cannot be verified: {error}") from error
        return load(self.families[family], found, self._store.read(family, found.name), trusted, self._skew)

    def promote(self, family: str, alias: str, version: str, *, who: str, why: str = "", expected: str | None = ANYWHERE) -> Version:
        """Point an alias at a version that passed its gate and loads; the move is recorded. Already there, it is left as it is.

        `expected` is the version that the alias points at now (None: it does not exist), if the move depends on that. Raises InputRefused
        for an alias that may not be called that, UnknownFamily, UnknownVersion, GateRefused, NotServable, AliasMoved or LedgerSealed.
        """
        if not may_be_alias(alias):
            raise InputRefused(
                "an alias is lower-case letters, digits and _, at most 40, and must not look like a version (log_reg_1) or end in latest"
            )
        found = self.version(family, version)
        if found.gate is None or not found.gate.passed:
            reason = "its gate has not run" if found.gate is None else f"it did not pass its gate: {' '.join(found.gate.findings)}"
            raise GateRefused(f"{family} {found.name} cannot become {alias}: {reason}")
        self.load(family, found.name)
        self._ledger.move(alias, found, who=who, why=why, expected=expected)
        return found

    def export(self, folder: Path) -> list[Version]:
        """Copy what aliases point at, and the public keys, into a new data folder that only needs to be read. Each version is loaded first.

        Raises ConfigurationError if the folder is there or there is nothing to copy, and NotServable.
        """
        if folder.exists():
            raise ConfigurationError(f"{folder} is there already: take it away, or name another folder")
        names = {(family, name) for family in self.families for name in self.aliases(family).values()}
        if not names:
            raise ConfigurationError("no alias points at any version: train one first (twotier train iris)")
        promoted = [self.version(family, name) for family, name in sorted(names)]
        store = ArtefactStore(str(folder / "models"))
        for version in promoted:
            self.load(version.family, version.name)
            store.write(version.family, version.name, self._store.read(version.family, version.name))
        keys.copy_trusted(keys.trusted_keys(self._trusted_keys), folder / "keys" / "trusted")
        self._ledger.copy_promoted(folder / "database.sqlite")
        return promoted
