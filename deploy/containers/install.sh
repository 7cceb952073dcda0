#!/usr/bin/env bash
# Makes sure that there is something to build and run containers with: a Docker engine, or else podman.
# Where neither is there, podman comes from the distribution's packages if this user may install them; otherwise it says what to install.
set -euo pipefail
packages=(podman buildah runc netavark aardvark-dns iptables debootstrap)

if docker info >/dev/null 2>&1; then
    echo "containers: a Docker engine is there"
    exit
fi
if command -v podman >/dev/null; then
    echo "containers: podman is there"
    exit
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "containers: neither a Docker engine nor podman is there, and this user cannot install them." >&2
    echo "Install Docker (with its compose plugin), or podman; on Debian and Ubuntu: sudo apt-get install ${packages[*]}" >&2
    exit 1
fi
echo "containers: installing podman"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
podman --version
