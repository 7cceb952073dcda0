#!/usr/bin/env bash
# Builds both images, twotier-gateway and twotier-model-server, and says how large they are. `make images` calls it, and makes the
# environment first. What is promoted in the data folder (TWOTIER_DATA) goes into the model server's image; a family without a champion is
# trained first.
set -euo pipefail
. "$(dirname "$0")/engine.sh"
cd "$ROOT"
"$HERE/base_image.sh"
export PATH=$ROOT/.venv/bin:$PATH BENTOML_HOME=$BUILD/bentoml BENTOML_DO_NOT_TRACK=True
tag=${IMAGE_TAG:-latest}
arguments=(
    --build-arg "VERSION=$(python -c 'import twotier; print(twotier.__version__)')"
    --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)"
)

echo 'containers: building the gateway'
"$ENGINE" build --quiet --file Dockerfile.fastapi --tag "twotier-gateway:$tag" "${arguments[@]}" .

echo 'containers: building the model server'
rm -rf build/promoted "$BENTOML_HOME"
twotier train --missing
twotier export build/promoted
bento=$(bentoml build --output tag 2>"$BUILD/bentoml.log" | sed -n 's/^__tag__://p') || { cat "$BUILD/bentoml.log" >&2; exit 1; }
# The layer with the packages is made anew only if what goes into it has changed, and a new date is a change.
find "$BENTOML_HOME/bentos" -exec touch --date=@0 {} +
user=(--opt build_arg=BENTO_USER_UID=10001 --opt build_arg=BENTO_USER_GID=10001)
bentoml containerize "$bento" --backend "$ENGINE" --image-tag "twotier-bento:$tag" "${user[@]}" >"$BUILD/containerize.log" 2>&1 ||
    { tail -n 40 "$BUILD/containerize.log" >&2; exit 1; }
"$ENGINE" build --quiet --file deploy/containers/Dockerfile.model_server --tag "twotier-model-server:$tag" \
    --build-arg "BENTO_IMAGE=twotier-bento:$tag" "${arguments[@]}" deploy/containers

"$ENGINE" images --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep -E "twotier-(gateway|model-server):$tag "
