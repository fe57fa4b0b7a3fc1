// Lets somebody put messages into one queue. Nothing else.

param accountName string
param queue string

@description('Who may: the identity of a system topic.')
param principalId string

var storageQueueDataMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: accountName

  resource queues 'queueServices' existing = {
    name: 'default'

    resource into 'queues' existing = { name: queue }
  }
}

resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account::queues::into.id, principalId, storageQueueDataMessageSender)
  scope: account::queues::into
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageQueueDataMessageSender)
  }
}
