#!/usr/bin/env bash
# Deploys a workload on Spot VMs, or changes one that is there, and uploads what runs on them (docs/vms.md §2).
# Usage: scripts/deploy-workload.sh GROUP VM-PACKAGE.tar.gz WORK.tar.gz [what else `az deployment group create` takes]
# GROUP is a resource group that exists. VM-PACKAGE: dist/spot-vm.tar.gz of `make vm-package`, or that of a release. WORK: modules
# of your own, maybe with requirements.txt. The first time give -p sshPublicKey=… workFunction=MODULE:FUNCTION.
set -euo pipefail

usage="usage: scripts/deploy-workload.sh GROUP VM-PACKAGE.tar.gz WORK.tar.gz [options of az deployment group create]"
group=${1:?$usage} vm_package=${2:?$usage} work=${3:?$usage}
shift 3
here=$(dirname "$0")
template=$here/../infra/workload/main.bicep

sha256_of() {
  python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"
}

function_given="" logs=false
for word in "$@"; do
  case $word in
    workFunction=*) function_given=${word#*=} ;;
    logs=true) logs=true ;;
    sshPublicKey=)
      echo "deploy-workload: sshPublicKey is empty: give the text of a public key, such as that of ~/.ssh/id_ed25519.pub" >&2
      exit 1
      ;;
  esac
done
python3 "$here/check_work.py" "$work" "$function_given"
vm_sha256=$(sha256_of "$vm_package")
work_sha256=$(sha256_of "$work")

# Size and tags of the VMs that are there: the responder or you may have changed them, and a template would set them back. The tag
# by which it asks to be started is the template's own, unless somebody gave it another value.
there=$(az vm list -g "$group" -d --query "[].{name:name, size:hardwareProfile.vmSize, tags:tags, power:powerState}" -o json)
existing=$(python3 -c 'import json, sys
OURS = {("AttemptRestartAfterEviction", "true")}
print(json.dumps({vm["name"]: {"size": vm["size"], "tags": {name: value for name, value in (vm["tags"] or {}).items()
    if (name, value) not in OURS and name != "StartForWork"}} for vm in json.loads(sys.argv[1] or "[]")}))' "$there")
stopped=$(python3 -c 'import json, sys
print(" ".join(vm["name"] for vm in json.loads(sys.argv[1] or "[]") if vm["power"] != "VM running"))' "$there")
# Azure changes no extension of a VM that does not run (docs/azure-facts.md vms-8), and logs=true has one for each VM.
if [ "$logs" = true ] && [ -n "$stopped" ]; then
  echo "deploy-workload: nothing was changed: logs=true takes VMs that run, and these do not: $stopped. What logs=true made stays without it:" \
    "leave it out, unless there are new VMs; else az vm start -g $group -n NAME first (docs/vms.md §4)" >&2
  exit 1
fi

# The VMs look for their packages each minute, so these may come after them; also where a VM failed, for the others' sake.
deployed=true
account=$(az deployment group create -g "$group" -n spot-workload -f "$template" -p vmPackage="$vm_sha256" workPackage="$work_sha256" \
  existing="$existing" "$@" --query properties.outputs.PACKAGES_ACCOUNT_NAME.value -o tsv) || deployed=false
if [ "$deployed" = false ]; then
  account=$(az storage account list -g "$group" --query "[?starts_with(name, 'stpkg')].name" -o tsv)
  if [ "$(wc -w <<<"$account")" -ne 1 ]; then
    echo "deploy-workload: nothing is deployed, and nothing uploaded; az says above why. Then call this again" >&2
    exit 1
  fi
fi

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

if [ "$deployed" = false ]; then
  echo "deploy-workload: the packages are uploaded, but a part is not deployed; az says above which and why: of a VM without capacity or quota docs/vms.md §6 says more. The VMs that are there work; call this again for the others" >&2
  exit 1
fi

jobs=$(az deployment group show -g "$group" -n spot-workload --query properties.outputs.JOBS_ACCOUNT_NAME.value -o tsv)
queue=$(az deployment group show -g "$group" -n spot-workload --query properties.outputs.QUEUE.value -o tsv)
echo "deployed; the VMs install their packages within some minutes. To submit jobs: spot-worker submit --account $jobs --queue $queue FILE"
