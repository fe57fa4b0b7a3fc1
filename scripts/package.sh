#!/bin/sh
# Builds the package that a deployment with a browser puts in: the app with its libraries, ready to run on Azure's Linux.
# Usage: scripts/package.sh PACKAGE.zip (with the Python that .python-version names as `python`, and an empty place for it)
set -eu

package=${1:?usage: scripts/package.sh PACKAGE.zip}
cd "$(dirname "$0")/.."
case $package in /*) ;; *) package=$PWD/$package ;; esac
[ ! -e "$package" ] || { echo "package: $package is there already: name another, or remove it" >&2; exit 1; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

expected=$(cat .python-version)
python -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])' "$expected" ||
  { echo "package: python is not $expected: libraries would be built for another one" >&2; exit 1; }

# What the app is made of: the same as .funcignore leaves over.
cp -R function_app.py host.json requirements.txt constraints.txt queries spot_responder "$folder"
find "$folder" -name __pycache__ -type d -prune -exec rm -rf {} +

python scripts/vendor.py "$folder/.python_packages/lib/site-packages"

# Compiled here, once, as each cold start would otherwise do: a second and 150 MB (docs/azure-facts.md sdk-3). Files get new
# times on their way, so Python must not compare them.
python -m compileall -q --invalidation-mode unchecked-hash -s "$folder" "$folder"

(cd "$folder" && python -m zipfile -c "$package" .python_packages ./*)
