"""What the model server counts, beside what BentoML counts itself. Labels come from families and the ledger, never from a caller."""

from prometheus_client import Counter, Gauge

__all__ = ["ALIAS_OK", "BLOCKS_REFUSED", "LOADED_AT", "LOADS_FAILED", "ROWS"]

ROWS = Counter("model_server_rows", "Rows by outcome: answered, fault or late", ["family", "version", "outcome"])

BLOCKS_REFUSED = Counter("model_server_blocks_refused", "Blocks of which nothing was scored", ["reason"])

LOADS_FAILED = Counter("model_server_loads_failed", "Versions that could not be loaded", ["family"])

LOADED_AT = Gauge(
    "model_server_loaded_timestamp_seconds", "When the version was last loaded", ["family", "version"], multiprocess_mode="mostrecent"
)

ALIAS_OK = Gauge(
    "model_server_alias_ok", "1 if the version that the alias points at serves, else 0", ["family", "alias"], multiprocess_mode="mostrecent"
)
