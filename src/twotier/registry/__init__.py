"""What versions there are, which of them may serve, and their artefacts: the ledger, the store, signatures and aliases.

`Registry` is the front door. A version is visible once its row is in the ledger, and its row is written after its artefact.
"""

from twotier.registry.records import ANYWHERE, AliasMove, Draft, GateReport, Version
from twotier.registry.registry import Registry
from twotier.registry.settings import RegistrySettings

__all__ = ["ANYWHERE", "AliasMove", "Draft", "GateReport", "Registry", "RegistrySettings", "Version"]
