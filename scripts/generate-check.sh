#!/usr/bin/env bash
# Fails when gen/ is not what the contracts say.
set -euo pipefail
cd "$(dirname "$0")/.."
npm run --silent generate
changed=$(git status --porcelain -- gen)
[ -z "$changed" ] || { printf 'gen/ is stale: run `npm run generate` and commit\n%s\n' "$changed" >&2; exit 1; }
