#!/usr/bin/env bash
# `docker compose`, also where there is only podman: compose.sh up --detach --wait
# Podman answers in Docker's language on a socket, which lives as long as this command. Without systemd it lacks two more things
# meanwhile: somebody who runs the health checks, and the syslog that its name server insists on.
set -euo pipefail
. "$(dirname "$0")/engine.sh"
cd "$ROOT"

if [ "$ENGINE" = docker ] && docker compose version >/dev/null 2>&1; then exec docker compose "$@"; fi
compose=$ROOT/.tools/containers/bin/docker-compose
if [ ! -x "$compose" ]; then
    echo "containers: there is no compose: install Docker's compose plugin, or run make images, which brings it along" >&2
    exit 1
fi
if [ "$ENGINE" = docker ]; then exec "$compose" "$@"; fi

run=$(mktemp -d)
helpers=()
clean_up() {
    kill "${helpers[@]}" 2>/dev/null || true
    wait
    rm -rf "$run"
}
trap clean_up EXIT

podman system service --time=0 "unix://$run/podman.sock" 2>"$run/service.log" &
helpers+=($!)
if [ ! -d /run/systemd/system ]; then
    "$HERE/health_checks.sh" &
    helpers+=($!)
    if [ ! -e /dev/log ]; then
        python3 "$HERE/syslog_sink.py" &
        helpers+=($!)
    fi
fi
for _ in $(seq 100); do
    if [ -S "$run/podman.sock" ] && { [ -d /run/systemd/system ] || [ -e /dev/log ]; }; then break; fi
    sleep 0.1
done
DOCKER_HOST=unix://$run/podman.sock "$compose" "$@"
