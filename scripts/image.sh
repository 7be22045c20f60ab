#!/usr/bin/env bash
# The image with which CloudNativePG puts the extension into PostgreSQL 18, as an OCI layout
# in target/image (docs/KUBERNETES.md): `image.sh build`. It needs no registry and no
# docker, and one library always gives the same image. `image.sh test` unpacks it and runs
# a server of 18 on what is in it.
set -euo pipefail
unset PG_CONFIG
. "$(dirname "$0")/env.sh"
cd "$project"

MAJOR=18
# The oldest of the systems that CloudNativePG's images are built on is Debian 12.
GLIBC=2.36
layout=$project/target/image
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
tag=$version-$MAJOR
case $(uname -m) in
  x86_64) architecture=amd64 ;;
  aarch64) architecture=arm64 ;;
  *) echo "no PostgreSQL $MAJOR to build for is known on $(uname -m)" >&2 && exit 1 ;;
esac
# When it was made is when its source was: of the commit, or of what was unpacked.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)}
created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)

# What stands in the image, in $1.
fill() {
  local built=$private/image-built library
  rm -rf "$built" "$1"
  PG_CONFIG=$(unset PG_CONFIG && scripts/wheel.sh "$MAJOR")
  export PG_CONFIG
  scripts/setup.sh build
  say "building for $("$PG_CONFIG" --version)"
  scripts/install.sh package "$built"
  mkdir -p "$1/lib" "$1/share" "$1/licenses"
  library=$1/lib/workspace-autobuild.so
  mv "$built$("$PG_CONFIG" --pkglibdir)/workspace-autobuild.so" "$library"
  mv "$built$("$PG_CONFIG" --sharedir)/extension" "$1/share/"
  rm -rf "$built"
  strip --strip-unneeded "$library"
  cp LICENSE "$1/licenses/"
  scripts/licenses.py "pg$MAJOR" >"$1/licenses/crates.txt"
  needed=$(objdump -T "$library" | sed -n 's/.*GLIBC_\([0-9.]*\).*/\1/p' | sort -Vu | tail -1)
  if [ "$(printf '%s\n' "$needed" "$GLIBC" | sort -V | tail -1)" != "$GLIBC" ]; then
    echo "the library built here needs glibc $needed, and images on Debian 12 have $GLIBC: build it on Debian 12" >&2
    exit 1
  fi
}

# Puts a file among the blobs and prints its descriptor, to which "annotations" or
# "platform" may be added.
blob() {
  local kind=$1 file=$2 more=${3:-} digest
  digest=$(sha256sum "$file" | cut -d ' ' -f 1)
  printf '{"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%s","size":%s%s}' \
    "$kind" "$digest" "$(stat -c %s "$file")" "${more:+,$more}"
  mv "$file" "$layout/blobs/sha256/$digest"
}

build() {
  local work=$private/image diff_id layer config manifest platform annotations
  install_packages binutils
  rm -rf "$work" "$layout"
  mkdir -p "$work" "$layout/blobs/sha256"
  fill "$work/root"
  tar --create --file="$work/layer.tar" --format=gnu --sort=name --mtime="@$epoch" --owner=0 --group=0 \
    --numeric-owner --mode='u=rwX,go=rX' --directory="$work/root" lib licenses share
  diff_id=$(sha256sum "$work/layer.tar" | cut -d ' ' -f 1)
  gzip -9 -n "$work/layer.tar"
  layer=$(blob layer.v1.tar+gzip "$work/layer.tar.gz")
  platform="\"architecture\":\"$architecture\",\"os\":\"linux\""
  annotations=$(
    printf '"org.opencontainers.image.%s":"%s",' title workspace-autobuild version "$version" \
      licenses Apache-2.0 created "$created" \
      description "Starts and stops Coder workspaces from inside PostgreSQL $MAJOR; needs glibc $needed or newer"
  )
  annotations=${annotations%,}
  printf '{"created":"%s",%s,"config":{"Labels":{%s}},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"%s","created_by":"make image"}]}' \
    "$created" "$platform" "$annotations" "$diff_id" "$created" >"$work/config"
  config=$(blob config.v1+json "$work/config")
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s],"annotations":{%s}}' \
    "$config" "$layer" "$annotations" >"$work/manifest"
  manifest=$(blob manifest.v1+json "$work/manifest" \
    "\"platform\":{$platform},\"annotations\":{\"org.opencontainers.image.ref.name\":\"$tag\"}")
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s]}' \
    "$manifest" >"$layout/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
  rm -rf "$work"
  say "$layout: workspace-autobuild $version for PostgreSQL $MAJOR on linux/$architecture, glibc $needed or newer; tag $tag"
}

# On a PostgreSQL 18 that has nothing of ours but what the image brings.
try() {
  local unpacked=$private/image-unpacked server=$private/image-server original
  # They check every digest and size; the copy is what a push would send.
  install_packages skopeo umoci
  rm -rf "$unpacked" "$server"
  mkdir -p "$unpacked"
  skopeo copy --quiet "oci:$layout:$tag" "oci:$unpacked/pushed:$tag"
  umoci unpack --rootless --image "$unpacked/pushed:$tag" "$unpacked/bundle"
  chmod 755 "$unpacked/bundle" "$unpacked/bundle/rootfs"

  original=$(scripts/wheel.sh "$MAJOR")
  original=${original%/bin/pg_config}
  mkdir "$server"
  cp -as "$original"/. "$server"
  rm -r "${server:?}/bin"
  cp -a "$original/bin" "$server/"
  find "$server" -name 'workspace[-_]autobuild*' -delete
  PG_CONFIG=$server/bin/pg_config AUTOBUILD_IMAGE=$unpacked/bundle/rootfs \
    cargo test --package workspace-autobuild-tests --test image -- --ignored
  rm -rf "$unpacked" "$server"
}

case ${1:-} in
  build) build ;;
  test)
    build
    first=$(sha256sum <"$layout/index.json")
    build
    [ "$first" = "$(sha256sum <"$layout/index.json")" ] || { echo "the same source gave another image" >&2; exit 1; }
    try
    ;;
  *) sed -n '2,5p' "$0" && exit 2 ;;
esac
