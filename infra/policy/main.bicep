// Optional: gives new Spot VMs of one resource group the tag that asks for restarts. A tag that is there is left as it is,
// so an owner's "false" stays. Deploy it yourself, where you want it: main.bicep does not.

targetScope = 'subscription'

@description('Resource group whose Spot VMs are to be tagged.')
param resourceGroupName string

@description('Region that the identity of the assignment is kept in.')
param location string

param restartTag string = 'AttemptRestartAfterEviction'

var tagContributor = '4a9ae827-6dc8-4573-8ac7-8239d42aa03f'

resource addTag 'Microsoft.Authorization/policyDefinitions@2025-11-01' = {
  name: guid(subscription().id, 'spot-responder-add-tag')
  properties: {
    displayName: 'Spot VMs ask to be restarted after an eviction'
    description: 'Adds the tag that Spot Responder looks for to Spot VMs with eviction policy Deallocate that do not have it.'
    mode: 'Indexed'
    policyType: 'Custom'
    metadata: { category: 'Compute' }
    parameters: {
      tagName: { type: 'String', metadata: { displayName: 'Tag', description: 'Name of the tag.' } }
    }
    policyRule: {
      if: {
        allOf: [
          { field: 'type', equals: 'Microsoft.Compute/virtualMachines' }
          { field: 'Microsoft.Compute/virtualMachines/priority', in: ['Spot', 'Low', 'SpotPlus'] }
          // A request that says nothing of it gets Azure's default, Deallocate.
          { field: 'Microsoft.Compute/virtualMachines/evictionPolicy', notEquals: 'Delete' }
          { field: '[concat(\'tags[\', parameters(\'tagName\'), \']\')]', exists: 'false' }
        ]
      }
      then: {
        effect: 'modify'
        details: {
          roleDefinitionIds: ['/providers/Microsoft.Authorization/roleDefinitions/${tagContributor}']
          operations: [
            { operation: 'add', field: '[concat(\'tags[\', parameters(\'tagName\'), \']\')]', value: 'true' }
          ]
        }
      }
    }
  }
}

module assignment 'assignment.bicep' = {
  scope: resourceGroup(resourceGroupName)
  params: {
    policyDefinitionId: addTag.id
    location: location
    restartTag: restartTag
    tagContributor: tagContributor
  }
}
