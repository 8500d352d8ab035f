#!/usr/bin/env bash
# Unpacks buf/validate/validate.proto, which our rules import, into third_party/ (ignored by git).
# It is published for Maven only; generation and lint need it, the running store does not: gen/ is committed.
set -euo pipefail
cd "$(dirname "$0")/.."
out=third_party/protovalidate
[ -f "$out/buf/validate/validate.proto" ] && exit 0
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mvn -q dependency:copy -Dartifact=build.buf:protovalidate:1.0.0 -DoutputDirectory="$work" >&2
mkdir -p "$out"
(cd "$out" && jar xf "$work/protovalidate-1.0.0.jar" buf/validate/validate.proto)
