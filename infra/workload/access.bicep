// What a VM's identity may do: read the packages, work on the jobs of one queue, maybe stop its own VM, and nothing else. The assignments are named by
// the identity, so that a VM that was deleted and made again gets its own.

import { Places, packagesContainer } from 'places.bicep'

param principalId string
param places Places
@description('Whose blobs are jobs: it may read them. Empty: none.')
param container string
param vmName string

@description('The role by which the VM stops itself. Empty: it may not.')
param stopRoleId string

// Built-in roles, by the ids that Azure documents. Each is assigned at the one thing that it is needed for.
var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var storageBlobDataReader = '2a2b9908-6ea1-4ae2-8e63-a410df84e7d1'
// Message Processor would not do: a lease is prolonged by an update, which is a write (docs/azure-facts.md vms-5).
var storageQueueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var storageQueueDataMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
var storageTableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'

resource jobs 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: places.account

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource checkpoints 'containers' existing = { name: places.checkpoints }

    resource inputs 'containers' existing = { name: empty(container) ? 'none' : container }
  }

  resource queues 'queueServices' existing = {
    name: 'default'

    resource queue 'queues' existing = { name: places.queue }

    resource poison 'queues' existing = { name: places.poison }
  }

  resource tables 'tableServices' existing = {
    name: 'default'

    resource results 'tables' existing = { name: places.results }

    resource workers 'tables' existing = { name: places.workers }
  }
}

resource packages 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: places.packagesAccount

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource container 'containers' existing = { name: packagesContainer }
  }
}

resource readsPackages 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(packages::blobs::container.id, principalId, storageBlobDataReader)
  scope: packages::blobs::container
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataReader)
  }
}

resource takesJobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(jobs::queues::queue.id, principalId, storageQueueDataContributor)
  scope: jobs::queues::queue
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageQueueDataContributor)
  }
}

resource givesUpJobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(jobs::queues::poison.id, principalId, storageQueueDataMessageSender)
  scope: jobs::queues::poison
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageQueueDataMessageSender)
  }
}

resource savesCheckpoints 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(jobs::blobs::checkpoints.id, principalId, storageBlobDataContributor)
  scope: jobs::blobs::checkpoints
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
  }
}

resource readsInputs 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(container)) {
  name: guid(jobs::blobs::inputs.id, principalId, storageBlobDataReader)
  scope: jobs::blobs::inputs
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataReader)
  }
}

resource writesResults 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(jobs::tables::results.id, principalId, storageTableDataContributor)
  scope: jobs::tables::results
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageTableDataContributor)
  }
}

resource writesWorkers 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(jobs::tables::workers.id, principalId, storageTableDataContributor)
  scope: jobs::tables::workers
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageTableDataContributor)
  }
}

resource vm 'Microsoft.Compute/virtualMachines@2025-04-01' existing = {
  name: vmName
}

// At this VM alone: it may stop no other one.
resource stopsItself 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(stopRoleId)) {
  name: guid(vm.id, principalId, stopRoleId)
  scope: vm
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: stopRoleId
  }
}
