"""`python -m model_training`: the training service, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import sys

from model_training.service import main

if __name__ == "__main__":
    sys.exit(main())
