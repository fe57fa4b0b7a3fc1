# azd's postdeploy hook. Event Grid takes a function for a destination only when it is there, so with push delivery the
# event subscriptions are made now. With the queue there is nothing to do.
$ErrorActionPreference = 'Stop'

if ($env:EVENT_DELIVERY -ne 'push') { exit 0 }

# For this one call only: a later `azd up` into an empty subscription must begin without.
$env:FUNCTION_DEPLOYED = 'true'
azd provision --no-prompt --environment $env:AZURE_ENV_NAME
exit $LASTEXITCODE
