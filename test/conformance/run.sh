#!/bin/sh
# GitHub's own REST description against the simulator. Needs 400 MB once, for the description and Prism.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
node="$here/../node_modules/.bin/node"
[ -x "$node" ] || npm ci --prefix "$here/.."
[ -d "$here/node_modules/@octokit/openapi" ] || npm ci --prefix "$here"
exec "$node" --test "$here/conformance.test.ts"
