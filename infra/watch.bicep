// What it takes to watch one subscription: a role to look and to start, and system topics that may deliver to the app.

targetScope = 'subscription'

import { deliveryTarget, topicFilters, topicOfKind } from 'topics/event-subscriptions.bicep'

param environmentName string
param location string

@description('Where system topics are created; made here, unless it is the app\'s own, which is there already.')
param resourceGroupName string

@description('Principal id of the app\'s identity.')
param principalId string

@description('Where events are delivered to.')
param delivery deliveryTarget

@description('Resource ids of system topics that exist already, of this and other subscriptions, by kind.')
param existingTopics { *: string[] }

@description('Topic types and their event subscriptions, by kind, as in event-filters.json.')
param topics { *: topicFilters }

var role = loadJsonContent('responder-role.json')
var abbreviations = loadJsonContent('abbreviations.json')
var token = uniqueString(subscription().id, environmentName)
var isAway = subscription().subscriptionId != delivery.subscriptionId

var found = map(items(topics), topic => {
  kind: topic.key
  topicType: topic.value.topicType
  existingId: first(filter(
    existingTopics[?topic.key] ?? [],
    id => startsWith(toLower(id), toLower('${subscription().id}/'))
  )) ?? ''
})

var plannedTopics topicOfKind[] = map(found, topic => {
  kind: topic.kind
  topicType: topic.topicType
  isNew: empty(topic.existingId)
  name: empty(topic.existingId)
    ? '${abbreviations.systemTopic}${topic.kind}-${token}'
    : last(split(topic.existingId, '/'))
  // .../resourceGroups/{name}/providers/...: the fifth part. A topic that exists stays where it is.
  resourceGroup: empty(topic.existingId) ? resourceGroupName : split(topic.existingId, '/')[4]
})

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = if (isAway) {
  name: resourceGroupName
  location: location
  tags: { 'azd-env-name': environmentName }
}

// A custom role's name must be unique in the whole directory, so it names its subscription.
resource responderRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, role.roleName)
  properties: {
    type: 'CustomRole'
    roleName: '${role.roleName} ${subscription().subscriptionId}'
    description: role.description
    assignableScopes: [subscription().id]
    permissions: [
      {
        actions: role.actions
        notActions: role.notActions
        dataActions: role.dataActions
        notDataActions: role.notDataActions
      }
    ]
  }
}

// Named by its principal: the assignment outlives an app that is removed, and must not stand in the way of the next.
// Last here: a role that was made a moment ago may not be known everywhere yet, and nothing else waits for this.
resource responderAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, principalId, responderRole.id)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: responderRole.id
  }
  dependsOn: [deliveryAccess]
}

module systemTopics 'topics/system-topic.bicep' = [
  for topic in plannedTopics: {
    scope: resourceGroup(topic.resourceGroup)
    params: { name: topic.name, topicType: topic.topicType, isNew: topic.isNew }
    dependsOn: [group]
  }
]

module deliveryAccess 'topics/delivery-access.bicep' = [
  for (topic, index) in plannedTopics: {
    scope: resourceGroup(delivery.subscriptionId, delivery.resourceGroupName)
    params: {
      #disable-next-line what-if-short-circuiting // role assignments are named by their principal
      principalId: systemTopics[index].outputs.principalId
      storageAccountName: delivery.storageAccountName
      deadLettersAccountName: delivery.deadLettersAccountName
      intoQueue: delivery.by == 'queue'
    }
  }
]

output systemTopics topicOfKind[] = plannedTopics
