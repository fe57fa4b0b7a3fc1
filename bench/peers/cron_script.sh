#!/usr/bin/env bash
# One run of the cron script of the first days, as published in 2023: what is down and tagged is listed by name and
# started, one after the other, each waited for. A lock keeps a second run from beginning while one is at work.
# Usage: cron_script.sh GROUP LOCK-FILE
set -euo pipefail

exec 9>"$2"
flock --nonblock 9 || exit 0

query="[?billingProfile.maxPrice != null && powerState == 'VM deallocated' &&
  tags.AttemptRestartAfterEviction && tags.AttemptRestartAfterEviction == 'true'].{Name:name}"

for name in $(az vm list -g "$1" -d -o tsv --query "$query"); do
  az vm start -g "$1" --name "$name" || true
done
