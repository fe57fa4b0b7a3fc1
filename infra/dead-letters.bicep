// Where Event Grid leaves what it could not deliver: a storage account for that alone. Event Grid wants the right to write
// at the whole account, and in the app's own account that would be the right to write the package that the app runs from.

import { guarded } from 'storage.bicep'

param name string
param location string

@export()
@description('The container of events that could not be delivered.')
var deadLettersContainer = 'event-dead-letters'

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

    resource deadLetters 'containers' = {
      name: deadLettersContainer
      properties: { publicAccess: 'None' }
    }
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

output endpoint string = account.properties.primaryEndpoints.blob
