// Subscribes to the events of one watched subscription. Comes last, when the topics may deliver and there is an app.

targetScope = 'subscription'

import { deliveryTarget, topicFilters, topicOfKind } from 'topics/event-subscriptions.bicep'

param environmentName string

@description('What watch.bicep put there or found.')
param systemTopics topicOfKind[]

@description('Topic types and their event subscriptions, by kind, as in event-filters.json.')
param topics { *: topicFilters }
param delivery deliveryTarget
param actionGroupId string

module eventSubscriptions 'topics/event-subscriptions.bicep' = [
  for topic in systemTopics: {
    scope: resourceGroup(topic.resourceGroup)
    params: {
      environmentName: environmentName
      topicName: topic.name
      subscriptions: topics[topic.kind].subscriptions
      delivery: delivery
      actionGroupId: actionGroupId
    }
  }
]
