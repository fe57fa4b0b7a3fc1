// The identity that may change sizes of VMs, for owners who name other sizes in the tag SpotFallbackSizes, and its rights on named
// resource groups of this subscription; deployed once for each subscription with VMs that it may change. `azd up` does not deploy it:
// docs/rights.md §6 has the steps, and docs/promises.md what it can do.

targetScope = 'subscription'

@description('The resource group of the app, where the identity is made; not needed with existingPrincipalId.')
param appResourceGroup string = ''

@description('The principal id of this identity, if it was made by a deployment in the app\'s subscription: then none is made here, and it gets its rights in this subscription as well.')
param existingPrincipalId string = ''

@minLength(1)
@description('Names of the resource groups whose VMs may be changed.')
param resizableResourceGroups string[]

param location string = deployment().location

var lists = loadJsonContent('lists-role.json')

module identity 'identity.bicep' = if (empty(existingPrincipalId)) {
  scope: resourceGroup(appResourceGroup)
  params: { location: location }
}

var principalId = identity.?outputs.principalId ?? existingPrincipalId

// A custom role's name must be unique in the whole directory, so it names its subscription.
resource listsRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, lists.roleName)
  properties: {
    type: 'CustomRole'
    roleName: '${lists.roleName} ${subscription().subscriptionId}'
    description: lists.description
    assignableScopes: [subscription().id]
    permissions: [
      {
        actions: lists.actions
        notActions: lists.notActions
        dataActions: lists.dataActions
        notDataActions: lists.notDataActions
      }
    ]
  }
}

// Azure gives these lists for a subscription as a whole.
resource readsLists 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, appResourceGroup, lists.roleName)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: listsRole.id
  }
}

module rights 'rights.bicep' = [
  for name in resizableResourceGroups: {
    scope: resourceGroup(name)
    params: {
      #disable-next-line what-if-short-circuiting // role assignments are named by their principal
      principalId: principalId
    }
  }
]

output RESIZE_CLIENT_ID string = identity.?outputs.clientId ?? ''
output RESIZE_IDENTITY_ID string = identity.?outputs.identityId ?? ''
output RESIZE_PRINCIPAL_ID string = principalId
