// Lets a system topic put messages into the queue, and leave what it cannot deliver with the dead letters. Nothing else.
// When an event subscription is made, Event Grid looks for each right at what the subscription names: for a queue that is
// the queue, for dead letters the storage account. A right at the container alone is refused.

import { signalsQueue } from '../storage.bicep'

@description('Principal id of the system topic\'s own identity.')
param principalId string
param storageAccountName string
param deadLettersAccountName string

@description('Whether events are delivered into the queue: who pushes needs no way in.')
param intoQueue bool

var storageQueueDataMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource storage 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: storageAccountName

  resource queues 'queueServices' existing = {
    name: 'default'

    resource signals 'queues' existing = {
      name: signalsQueue
    }
  }
}

resource deadLetters 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: deadLettersAccountName
}

resource queueAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (intoQueue) {
  name: guid(storage::queues::signals.id, principalId, storageQueueDataMessageSender)
  scope: storage::queues::signals
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageQueueDataMessageSender)
  }
}

resource deadLetterAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(deadLetters.id, principalId, storageBlobDataContributor)
  scope: deadLetters
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
  }
}
