// The right to write the VMs of one resource group, by a role that exists there alone.

param principalId string

var role = loadJsonContent('../resizer-role.json')

resource resizerRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, role.roleName)
  properties: {
    type: 'CustomRole'
    roleName: '${role.roleName} ${resourceGroup().name} ${subscription().subscriptionId}'
    description: role.description
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        actions: role.actions
        notActions: role.notActions
        dataActions: role.dataActions
        notDataActions: role.notDataActions
      }
    ]
  }
}

resource mayResize 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, principalId, role.roleName)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: resizerRole.id
  }
}
