// One work queue in its storage account: the queue, the table of its workers and the container whose blobs are jobs, and the responder's right to read both, and nothing else there.

param accountName string
param queue string

@description('Empty: there is none.')
param container string

@description('Who may count and peek at the queue, and read what the workers write: the identity of the responder.')
param principalId string

// Built-in roles, by the ids that Azure documents.
var storageQueueDataReader = '19e7f393-937e-4f77-808e-94535e297925'
var storageTableDataReader = '76199698-9eea-4c19-bc75-cec21354c6b6'

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: accountName

  resource queues 'queueServices' existing = {
    name: 'default'

    resource work 'queues' = { name: queue }
  }

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource jobs 'containers' = if (!empty(container)) {
      name: empty(container) ? 'none' : container
      properties: { publicAccess: 'None' }
    }
  }

  resource tables 'tableServices' existing = {
    name: 'default'

    resource workers 'tables' = { name: 'workers' }
  }
}

resource queueAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account::queues::work.id, principalId, storageQueueDataReader)
  scope: account::queues::work
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageQueueDataReader)
  }
}

resource tableAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account::tables::workers.id, principalId, storageTableDataReader)
  scope: account::tables::workers
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageTableDataReader)
  }
}

output accountLocation string = account.location
