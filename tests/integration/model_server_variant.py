"""`python -m tests.integration.model_server_variant MS`: the model server with another `max_latency_ms`, to show what that does."""

import sys

from twotier.model_server.__main__ import main
from twotier.model_server.service import ModelServer

if __name__ == "__main__":
    getattr(ModelServer, "apis")["score"].max_latency_ms = int(sys.argv[1])
    main()
