// Who may change sizes: an identity of its own, so that the app's own one can only start VMs.

param location string

var abbreviations = loadJsonContent('../abbreviations.json')

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${abbreviations.identity}resize-${uniqueString(resourceGroup().id)}'
  location: location
}

output identityId string = identity.id
output principalId string = identity.properties.principalId
output clientId string = identity.properties.clientId
