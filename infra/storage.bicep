// The app's storage: the queues that events and agents' messages arrive in, the tables that it remembers by, the package that it runs from.

param name string
param location string

@description('Whether there are work queues: then there is a queue for wakes, and a table for what is kept of them.')
param hasWorkQueues bool

@export()
@description('What Event Grid and the responder put messages in; the Functions host reads it.')
var signalsQueue = 'signals'

@export()
@description('What the agents in VMs put messages in. A queue of its own: who may write there can speak for no event of Azure.')
var agentsQueue = 'agents'

@export()
@description('Where Flex Consumption keeps the package that the app runs from.')
var packagesContainer = 'packages'

@export()
@description('How each of our storage accounts is guarded: no shared key, nothing public, nothing unencrypted.')
var guarded = {
  accessTier: 'Hot'
  allowBlobPublicAccess: false
  allowCrossTenantReplication: false
  allowSharedKeyAccess: false
  defaultToOAuthAuthentication: true
  minimumTlsVersion: 'TLS1_2'
  supportsHttpsTrafficOnly: true
  // Event Grid and an app without a virtual network come over the public endpoint. What opens the door is a role.
  publicNetworkAccess: 'Enabled'
}

var tables = concat(['recoveries', 'history', 'pools', 'health', 'offerings'], hasWorkQueues ? ['work'] : [])
var queuesOfAgentsAndEvents = [signalsQueue, '${signalsQueue}-poison', agentsQueue, '${agentsQueue}-poison']

@export()
@description('What asks for a look at a work queue: who submits work may write there, and is read for the work queue\'s name only.')
var wakesQueue = 'wakes'

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: name
  location: location
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: guarded

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: 7 }
    }

    resource packages 'containers' = {
      name: packagesContainer
      properties: { publicAccess: 'None' }
    }
  }

  resource queues 'queueServices' = {
    name: 'default'

    // The host would make the poison queues itself; made here, they are there to be looked at.
    resource names 'queues' = [
      for queue in concat(queuesOfAgentsAndEvents, hasWorkQueues ? [wakesQueue, '${wakesQueue}-poison'] : []): {
        name: queue
      }
    ]
  }

  resource tableService 'tableServices' = {
    name: 'default'

    resource names 'tables' = [for table in tables: { name: table }]
  }
}

output wakesQueueAddress string = '${account.properties.primaryEndpoints.queue}${wakesQueue}'
output agentsQueueAddress string = '${account.properties.primaryEndpoints.queue}${agentsQueue}'
