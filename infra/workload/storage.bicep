// Where jobs, checkpoints and results are, with the names that the worker gives them; and the packages, in an account of their
// own: a VM's identity reads it, and none can write what runs as root on all of them.

import { guarded } from '../storage.bicep'
import { Places, packagesContainer } from 'places.bicep'

param location string
param places Places

@description('Object id of who uploads packages and submits jobs.')
param operatorId string

@description('Whose blobs are jobs. Empty: none.')
param container string

// Built-in roles, by the ids that Azure documents: what an operator needs for `spot-worker submit`, `results`, `poison requeue`.
var operatorRoles = {
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

resource jobs 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: places.account
  location: location
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: guarded

  resource blobs 'blobServices' = {
    name: 'default'

    resource checkpoints 'containers' = {
      name: places.checkpoints
      properties: { publicAccess: 'None' }
    }

    resource inputs 'containers' = if (!empty(container)) {
      name: empty(container) ? 'none' : container
      properties: { publicAccess: 'None' }
    }
  }

  resource queues 'queueServices' = {
    name: 'default'

    resource names 'queues' = [for name in [places.queue, places.poison]: { name: name }]
  }

  resource tables 'tableServices' = {
    name: 'default'

    resource names 'tables' = [for name in [places.results, places.workers]: { name: name }]
  }
}

resource packages 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: places.packagesAccount
  location: location
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: guarded

  resource blobs 'blobServices' = {
    name: 'default'

    resource container 'containers' = {
      name: packagesContainer
      properties: { publicAccess: 'None' }
    }
  }
}

resource operatorWorks 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in items(operatorRoles): {
    name: guid(jobs.id, operatorId, role.value)
    scope: jobs
    properties: {
      principalId: operatorId
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.value)
    }
  }
]

resource operatorUploads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(packages.id, operatorId, operatorRoles.storageBlobDataContributor)
  scope: packages
  properties: {
    principalId: operatorId
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      operatorRoles.storageBlobDataContributor
    )
  }
}

output jobsAccountId string = jobs.id
