// The app's storage: the queue that events arrive in, the tables that it remembers by, the package that it runs from.

param name string
param location string

@export()
@description('What Event Grid and the responder put messages in; the Functions host reads it.')
var signalsQueue = 'signals'

@export()
@description('Where Event Grid leaves what it could not deliver.')
var deadLettersContainer = 'event-dead-letters'

@export()
@description('Where Flex Consumption keeps the package that the app runs from.')
var packagesContainer = 'packages'

var tables = ['recoveries', 'history', 'pools', 'health']

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: name
  location: location
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: {
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

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: 7 }
    }

    resource containers 'containers' = [
      for container in [packagesContainer, deadLettersContainer]: {
        name: container
        properties: { publicAccess: 'None' }
      }
    ]
  }

  resource queues 'queueServices' = {
    name: 'default'

    // The host would make the poison queue itself; made here, it is there to be looked at.
    resource names 'queues' = [for queue in [signalsQueue, '${signalsQueue}-poison']: { name: queue }]
  }

  resource tableService 'tableServices' = {
    name: 'default'

    resource names 'tables' = [for table in tables: { name: table }]
  }

  resource lifecycle 'managementPolicies' = {
    name: 'default'
    dependsOn: [blobs]
    properties: {
      policy: {
        rules: [
          {
            // Undelivered events carry the names and addresses of those who called ARM: they are not kept for ever.
            name: 'forget-dead-letters'
            type: 'Lifecycle'
            definition: {
              filters: { blobTypes: ['blockBlob'], prefixMatch: ['${deadLettersContainer}/'] }
              actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: 30 } } }
            }
          }
        ]
      }
    }
  }
}
