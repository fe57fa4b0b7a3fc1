#!/bin/sh
# azd's postdeploy hook. Event Grid takes a function for a destination only when it is there, so with push delivery the
# event subscriptions are made now. With the queue there is nothing to do.
set -eu

[ "${EVENT_DELIVERY:-queue}" = push ] || exit 0

# For this one call only: a later `azd up` into an empty subscription must begin without.
FUNCTION_DEPLOYED=true azd provision --no-prompt --environment "$AZURE_ENV_NAME"
