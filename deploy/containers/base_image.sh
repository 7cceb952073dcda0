#!/usr/bin/env bash
# Makes sure that podman has the base image that both images start from. A machine that reaches no image registry gets a stand-in
# under the same name, made of Debian's own packages (bookworm's Python is 3.11), which trusts the certificates that this machine
# trusts. Docker pulls the base image by itself. Nothing here is needed where images are pulled.
set -euo pipefail
. "$(dirname "$0")/engine.sh"
image=python:3.11-slim

if [ "$ENGINE" = docker ] || podman image exists "$image"; then exit; fi
if timeout 120 podman pull -q "$image" 2>/dev/null; then exit; fi
if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
    echo "containers: $image is neither here nor to be pulled, and a stand-in needs root and debootstrap" >&2
    exit 1
fi

echo "containers: $image cannot be pulled; making a stand-in of Debian's packages"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rootfs=$work/rootfs
debootstrap --variant=minbase --include=ca-certificates,netbase,tzdata,python3,python3-pip,python3-venv bookworm "$rootfs" >"$work/log" ||
    { tail -n 20 "$work/log" >&2; exit 1; }
rm -rf "$rootfs"/usr/lib/python3*/EXTERNALLY-MANAGED "$rootfs"/var/{cache/apt,lib/apt/lists,log}/* "$rootfs"/usr/share/{doc,locale,man}/*
for name in python python3 python3.11; do ln -s /usr/bin/python3.11 "$rootfs/usr/local/bin/$name"; done
cp /etc/ssl/certs/ca-certificates.crt "$rootfs/etc/ssl/certs/"
mkdir -p "$rootfs/etc/uv"
echo 'native-tls = true' >"$rootfs/etc/uv/uv.toml"
printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\ntimeout = 180\n' >"$rootfs/etc/pip.conf"
tar -C "$rootfs" --numeric-owner -c . | podman import -q --change 'CMD ["python3"]' --change 'ENV LANG=C.UTF-8' \
    --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' - "$image"
