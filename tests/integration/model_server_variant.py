"""`python -m tests.integration.model_server_variant MS`: the model server with BentoML's own batcher and that `max_latency_ms`."""

import sys

from twotier.model_server import service
from twotier.model_server.__main__ import main

if __name__ == "__main__":
    setattr(service, "Batcher", lambda theirs: theirs)
    getattr(service.ModelServer, "apis")["score"].max_latency_ms = int(sys.argv[1])
    main()
