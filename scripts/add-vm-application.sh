#!/usr/bin/env bash
# Gives a VM a version of the VM application `spot-vm`, in place of another version of it; its other applications stay as they are.
# Usage: scripts/add-vm-application.sh VM-ID VERSION-ID     (resource ids; needs az, logged in, and jq)
#        scripts/add-vm-application.sh VM-ID none           takes it away
# `az vm application set` would replace the whole list. The VM is patched: written whole, Azure refuses some Spot VMs.
set -euo pipefail

usage="usage: scripts/add-vm-application.sh VM-ID VERSION-ID|none"
vm=${1:?$usage} version=${2:?$usage}
address="https://management.azure.com$vm?api-version=2025-04-01"

here=$(az rest --method get --url "$address")
body=$(jq -c --arg version "$version" -f "$(dirname "$0")/merged-applications.jq" <<<"$here")
etag=$(jq -r '.etag // empty' <<<"$here")

# Azure refuses it with 412 if somebody changed the VM since: then call this again.
az rest --method patch --url "$address" --headers Content-Type=application/json ${etag:+"If-Match=$etag"} --body "$body" -o none
