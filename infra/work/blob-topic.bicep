// The system topic of a storage account, whose events tell of new blobs: made here, or, where Azure has one already, named.

param accountName string
param name string

@description('Where the account is: Azure wants its system topic there.')
param location string

@description('Azure allows one system topic for a storage account: one that exists is used as it is, and must have a system-assigned identity.')
param isNew bool

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: accountName
}

resource created 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (isNew) {
  name: name
  location: location
  identity: { type: 'SystemAssigned' }
  properties: {
    source: account.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

resource named 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = if (!isNew) {
  name: name
}

output principalId string = isNew ? created!.identity.principalId : named!.identity.principalId
