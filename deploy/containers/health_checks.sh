#!/usr/bin/env bash
# Runs the health checks of podman's containers every second until it is ended: podman leaves that to systemd.
while sleep 1; do
    for container in $(podman ps --quiet --filter health=starting --filter health=healthy --filter health=unhealthy 2>/dev/null); do
        podman healthcheck run "$container" >/dev/null 2>&1
    done
done
