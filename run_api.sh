#!/usr/bin/env bash
# Builds both images, runs them, and offers the API at http://127.0.0.1:1313 (GATEWAY_PORT sets another port). `make down` stops it.
set -euo pipefail
cd "$(dirname "$0")"
exec make up GATEWAY_PORT="${GATEWAY_PORT:-1313}"
