# shellcheck shell=bash
# To be sourced by the scripts beside it. Chooses what builds and runs the containers (ENGINE is docker or podman), and makes podman
# fit for the machine that it finds. HERE is this folder; ROOT is the repository; BUILD, which git ignores, is where made files go.
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
BUILD=$ROOT/build/containers
mkdir -p "$BUILD"

hard_limit() { # hard_limit FLAG MOST: this process's hard limit, at most MOST
    local limit
    limit=$(ulimit -H"$1")
    if [ "$limit" = unlimited ] || [ "$limit" -gt "$2" ]; then limit=$2; fi
    echo "$limit"
}

may_raise_limits() { # CAP_SYS_RESOURCE is bit 24
    [ $((0x$(awk '/^CapEff/ {print $2}' /proc/self/status) >> 24 & 1)) = 1 ]
}

podman_settings() { # What podman must be told on this machine, as containers.conf; nothing on an ordinary one.
    if [ "$(id -u)" = 0 ] && ! may_raise_limits; then
        # Podman asks for limits of its own, which may be above what this process is allowed to hand out.
        echo "containers.default_ulimits = [\"nofile=$(hard_limit n 1048576):$(hard_limit n 1048576)\", \"nproc=$(hard_limit u 32768):$(hard_limit u 32768)\"]"
    fi
    if [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ]; then
        # crun refuses cgroups of both versions side by side; runc takes them.
        echo 'engine.runtime = "runc"'
        echo 'engine.cgroup_manager = "cgroupfs"'
    fi
    # An image without a registry in its name is one of this machine, also for those who speak Docker's language to podman.
    echo 'engine.compat_api_enforce_docker_hub = false'
    if [ ! -d /run/systemd/system ]; then
        # There is no journal to log to without systemd.
        echo 'containers.log_driver = "k8s-file"'
        echo 'engine.events_logger = "file"'
        echo 'network.network_backend = "netavark"'
    fi
}

if docker info >/dev/null 2>&1; then
    ENGINE=docker
elif command -v podman >/dev/null; then
    ENGINE=podman
    export BUILDAH_FORMAT=docker # The OCI format has no HEALTHCHECK.
    if [ -z "${CONTAINERS_CONF:-}" ]; then
        podman_settings >"$BUILD/containers.conf"
        if [ -s "$BUILD/containers.conf" ]; then export CONTAINERS_CONF=$BUILD/containers.conf; fi
    fi
else
    echo "containers: neither a Docker engine nor podman is there; make images installs podman where it may" >&2
    exit 1
fi
