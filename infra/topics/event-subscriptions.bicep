// The event subscriptions of one system topic, and an alarm for each way in which Event Grid can lose an event.

import { deadLettersContainer } from '../dead-letters.bicep'
import { signalsQueue } from '../storage.bicep'

@export()
@description('A system topic of the subscription that is watched.')
type topicOfKind = {
  @description('Its name in event-filters.json.')
  kind: string
  topicType: string
  isNew: bool
  name: string
  resourceGroup: string
}

@export()
@description('What event-filters.json says of an event subscription.')
type eventSubscription = {
  name: string
  why: string
  filter: resourceInput<'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15'>.properties.filter
  @description('The queue that it delivers to, however others are delivered. None: where the delivery target says.')
  into: queueOfEvents?
}

@export()
@description('A queue for events. accountId: none is the app\'s own storage. lifetimeSeconds: of its messages, -1 without end; none is a day.')
type queueOfEvents = {
  accountId: string?
  queue: string
  lifetimeSeconds: int?
}

@export()
@description('What event-filters.json says of a topic type.')
type topicFilters = {
  topicType: string
  subscriptions: eventSubscription[]
}

@export()
@description('Where events are delivered to: the app\'s storage or, where they are pushed, its function; and where dead ones are kept.')
type deliveryTarget = {
  by: 'queue' | 'push'
  subscriptionId: string
  resourceGroupName: string
  storageAccountName: string
  deadLettersAccountName: string
  appName: string
}

param environmentName string
param topicName string

@description('Event subscriptions as in event-filters.json.')
param subscriptions eventSubscription[]
param delivery deliveryTarget
param actionGroupId string

@description('An event older than a day helps nobody: the sweep has found the VM long since.')
var messageLifetimeSeconds = 86400

// Event Grid takes letters, digits and hyphens only, azd also these for an environment.
var prefix = replace(replace(replace(replace(environmentName, '.', '-'), '_', '-'), '(', '-'), ')', '-')
var names = map(subscriptions, one => '${prefix}-${one.name}')
var storageId = resourceId(
  delivery.subscriptionId,
  delivery.resourceGroupName,
  'Microsoft.Storage/storageAccounts',
  delivery.storageAccountName
)
var deadLettersId = resourceId(
  delivery.subscriptionId,
  delivery.resourceGroupName,
  'Microsoft.Storage/storageAccounts',
  delivery.deadLettersAccountName
)
var functionId = resourceId(
  delivery.subscriptionId,
  delivery.resourceGroupName,
  'Microsoft.Web/sites/functions',
  delivery.appName,
  'on_event'
)

var losses = [
  {
    metric: 'DeadLetteredCount'
    title: 'dead-lettered'
    why: 'Event Grid gave up delivering events and left them in the container ${deadLettersContainer}.'
  }
  {
    metric: 'DroppedEventCount'
    title: 'dropped'
    why: 'Event Grid dropped events: it could neither deliver them nor leave them in the container ${deadLettersContainer}.'
  }
]

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

// One after the other: several at once on one topic have been seen to refuse each other.
@batchSize(1)
resource eventSubscriptions 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = [
  for (one, index) in subscriptions: {
    parent: topic
    name: names[index]
    properties: {
      // By the topic's own identity: the storage account takes no keys.
      deliveryWithResourceIdentity: delivery.by == 'queue' || one.?into != null
        ? {
            identity: { type: 'SystemAssigned' }
            destination: {
              endpointType: 'StorageQueue'
              properties: {
                resourceId: empty(one.?into.?accountId) ? storageId : one.into!.accountId!
                queueName: one.?into.?queue ?? signalsQueue
                queueMessageTimeToLiveInSeconds: one.?into.?lifetimeSeconds ?? messageLifetimeSeconds
              }
            }
          }
        : null
      // Event Grid calls a function with the function's own key: it knows no identity there.
      destination: delivery.by == 'push' && one.?into == null
        ? {
            endpointType: 'AzureFunction'
            properties: { resourceId: functionId, maxEventsPerBatch: 1, preferredBatchSizeInKilobytes: 64 }
          }
        : null
      eventDeliverySchema: 'CloudEventSchemaV1_0'
      filter: one.filter
      retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
      deadLetterWithResourceIdentity: {
        identity: { type: 'SystemAssigned' }
        deadLetterDestination: {
          endpointType: 'StorageBlob'
          properties: { resourceId: deadLettersId, blobContainerName: deadLettersContainer }
        }
      }
    }
  }
]

resource lossAlarms 'Microsoft.Insights/metricAlerts@2026-01-01' = [
  for loss in losses: {
    name: '${environmentName}-${topicName}-${loss.title}'
    location: 'global'
    properties: {
      description: loss.why
      severity: 2
      enabled: true
      scopes: [topic.id]
      evaluationFrequency: 'PT15M'
      windowSize: 'PT1H'
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: loss.title
            metricNamespace: 'Microsoft.EventGrid/systemTopics'
            metricName: loss.metric
            // A topic that existed before may have other subscribers, whose losses are not ours.
            dimensions: [{ name: 'EventSubscriptionName', operator: 'Include', values: names }]
            operator: 'GreaterThan'
            threshold: 0
            timeAggregation: 'Total'
            // The metric is not there to be checked before the first loss.
            skipMetricValidation: true
          }
        ]
      }
      actions: [{ actionGroupId: actionGroupId }]
    }
    dependsOn: [eventSubscriptions]
  }
]
