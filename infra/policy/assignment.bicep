// The policy in one resource group, and the right to tag that its remediation of existing VMs needs there.

param policyDefinitionId string
param location string
param restartTag string

@description('Id of the built-in role Tag Contributor.')
param tagContributor string

resource assignment 'Microsoft.Authorization/policyAssignments@2025-11-01' = {
  name: 'spot-responder-add-tag'
  location: location
  identity: { type: 'SystemAssigned' }
  properties: {
    displayName: 'Spot VMs ask to be restarted after an eviction'
    policyDefinitionId: policyDefinitionId
    parameters: { tagName: { value: restartTag } }
  }
}

resource mayTag 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, assignment.id, tagContributor)
  properties: {
    principalId: assignment.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tagContributor)
  }
}
