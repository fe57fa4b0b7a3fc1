// Event Grid calls the function itself. It must be there first, so the package is put in by the deployment.
using 'main.bicep'

param environmentName = 'spot-responder'
param location = 'westeurope'
param eventDelivery = 'push'
param packageAddress = 'https://example.com/spot-responder.zip'
