// One system topic of a subscription, with an identity to deliver by: made here, or, where Azure has one already, named.

param name string
param topicType string

@description('Azure allows one system topic for each source and topic type: one that exists is used as it is, and must have a system-assigned identity.')
param isNew bool

resource created 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (isNew) {
  name: name
  location: 'global'
  identity: { type: 'SystemAssigned' }
  properties: {
    source: subscription().id
    topicType: topicType
  }
}

resource named 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = if (!isNew) {
  name: name
}

output principalId string = isNew ? created!.identity.principalId : named!.identity.principalId
