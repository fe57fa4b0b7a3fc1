#!/usr/bin/env bash
# Deploys a workload on Spot VMs, or changes one that is there, and uploads what runs on them (docs/worker.md).
# Usage: scripts/deploy-workload.sh GROUP VM-PACKAGE.tar.gz WORK.tar.gz [what else `az deployment group create` takes]
# GROUP is a resource group that exists. VM-PACKAGE: dist/spot-vm.tar.gz of `make vm-package`, or that of a release. WORK: modules
# of your own, maybe with requirements.txt. The first time give -p sshPublicKey=… workFunction=MODULE:FUNCTION.
set -euo pipefail

usage="usage: scripts/deploy-workload.sh GROUP VM-PACKAGE.tar.gz WORK.tar.gz [options of az deployment group create]"
group=${1:?$usage} vm_package=${2:?$usage} work=${3:?$usage}
shift 3
template=$(dirname "$0")/../infra/workload/main.bicep

sha256_of() {
  python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"
}

vm_sha256=$(sha256_of "$vm_package")
work_sha256=$(sha256_of "$work")

# Azure changes no extension of a VM that does not run (docs/azure-facts.md vms-8), and logs=true has one for each VM.
if [[ " $* " == *" logs=true "* ]]; then
  down=$(az vm list -g "$group" -d --query "[?powerState!='VM running'].id" -o tsv)
  if [ -n "$down" ]; then
    echo "deploy-workload: nothing was changed: logs=true takes VMs that run, and these do not: ${down//$'\n'/ }. What logs=true made stays without it:" \
      "leave it out, unless there are new VMs; else az vm start --ids ${down//$'\n'/ } first (docs/vms.md §4)" >&2
    exit 1
  fi
fi

# The VMs look for their packages each minute, so these may come after them.
account=$(az deployment group create -g "$group" -n spot-workload -f "$template" -p vmPackage="$vm_sha256" workPackage="$work_sha256" \
  "$@" --query properties.outputs.PACKAGES_ACCOUNT_NAME.value -o tsv)

# A package is named by its content, so one that is there is the same. The role that lets you write is new the first time, and
# takes up to ten minutes to work.
upload() {
  local tries
  for tries in $(seq 40); do
    if az storage blob upload --account-name "$account" -c packages -n "$2" -f "$1" --auth-mode login --overwrite -o none; then
      return
    fi
    echo "deploy-workload: $2 is not uploaded yet (try $tries of 40); trying again in 15 seconds" >&2
    sleep 15
  done
  echo "deploy-workload: $1 could not be uploaded to $account; az says above why. Then call this again" >&2
  return 1
}

upload "$vm_package" "spot-vm-$vm_sha256.tar.gz"
upload "$work" "work-$work_sha256.tar.gz"

jobs=$(az deployment group show -g "$group" -n spot-workload --query properties.outputs.JOBS_ACCOUNT_NAME.value -o tsv)
queue=$(az deployment group show -g "$group" -n spot-workload --query properties.outputs.QUEUE.value -o tsv)
echo "deployed; the VMs install their packages within some minutes. To submit jobs: spot-worker submit --account $jobs --queue $queue FILE"
