// Lets the agents in VMs put messages into the queue `agents`, and nothing else. `azd up` does not deploy it: deploy it into the
// app's resource group, with the identities of the VMs; infra/workload does so for its own.
// What a writer of that queue can at most cause: docs/promises.md.

import { agentsQueue } from '../storage.bicep'

@description('The app\'s storage account: the output AZURE_STORAGE_ACCOUNT_NAME of the deployment.')
param storageAccountName string

@description('Principal ids of the identities of VMs, system-assigned or user-assigned.')
param principalIds string[]

// It may put messages, and neither read nor delete any. At the queue: elsewhere in the account it may nothing.
var storageQueueDataMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'

resource storage 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: storageAccountName

  resource queues 'queueServices' existing = {
    name: 'default'

    resource agents 'queues' existing = {
      name: agentsQueue
    }
  }
}

resource senders 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for principalId in principalIds: {
    name: guid(storage::queues::agents.id, principalId, storageQueueDataMessageSender)
    scope: storage::queues::agents
    properties: {
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageQueueDataMessageSender)
    }
  }
]
