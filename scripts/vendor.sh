#!/bin/sh
# azd's prepackage hook: the app's libraries come into the package here, so that nothing is built in Azure.
set -eu

cd "$(dirname "$0")/.."
for python in python3 python; do
  if "$python" -m pip --version >/dev/null 2>&1; then exec "$python" scripts/vendor.py; fi
done
echo 'vendor: there is no Python with pip: install python3 and python3-pip, then try again' >&2
exit 1
