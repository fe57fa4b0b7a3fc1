// Spot Responder in one subscription, watching this one or several.
//
//   storage, deadLetters, telemetry -> access -> app   what runs, and by which rights
//   workQueue, blobTopic (where there are any)        queues that VMs are started for, and containers whose blobs are jobs
//   watch (each subscription)                         a role to look and to start, system topics that may deliver
//   alarms, workbook                                  what an operator sees
//   pause -> code -> listen (each subscription)       the package and the event subscriptions, when roles had time to take effect

targetScope = 'subscription'

import { signalsQueue, wakesQueue } from 'storage.bicep'

@minLength(1)
@maxLength(32)
@description('Names what is deployed; azd calls it the environment.')
param environmentName string

@minLength(1)
@description('Region of the app and its storage. VMs may be anywhere.')
@metadata({ azd: { type: 'location' } })
param location string

@description('Ids of the subscriptions to watch, in this directory. Empty: this one.')
param watchedSubscriptions string[] = []

@description('Resource ids of system topics for Microsoft.ResourceNotifications.HealthResources that exist already: Azure allows one a subscription.')
param existingHealthTopics string[] = []

@description('Resource ids of system topics for Microsoft.Resources.Subscriptions that exist already.')
param existingArmTopics string[] = []

@description('Resource ids of system topics for Microsoft.ResourceNotifications.MaintenanceResources that exist already.')
param existingMaintenanceTopics string[] = []

@description('queue: Event Grid writes to the queue, and no event waits for an app that sleeps. push: it calls the function.')
param eventDelivery 'queue' | 'push' = 'queue'

@description('With push: the code is there, so that it can be subscribed. Set by the postdeploy hook; needless with packageAddress.')
param functionDeployed bool = false

@description('Also listen to scheduled events (Preempt). In preview at Azure.')
param scheduledEventsPreview bool = false

@description('Address of a released package of the app, for a deployment without azd. It must be there for anybody to read, best without a redirect: where the address of a release is refused, give that of a copy in a blob. Empty: the code comes later.')
param packageAddress string = ''

@description('Who is told of alarms by e-mail. Empty: nobody.')
param alarmEmail string = ''

@description('Resource id of an Event Grid custom topic to be told outcomes. Empty: none.')
param outcomesTopicId string = ''

@description('Client id of the identity that may change sizes of VMs: an output of infra/resize/main.bicep. Empty: no size is changed.')
param resizeClientId string = ''

@description('Resource id of that identity.')
param resizeIdentityId string = ''

@description('Decide and log, start nothing.')
param dryRun bool = false

@description('When the sweep looks for what no event told of: NCRONTAB, six fields.')
param sweepSchedule string = '0 */15 * * * *'

@description('The tag by which an owner asks for restarts.')
param restartTag string = 'AttemptRestartAfterEviction'

@description('evicted demands evidence of an eviction; unless-stopped does with none.')
param restartWhen 'unless-stopped' | 'evicted' = 'unless-stopped'

@minValue(1)
@description('The brake, for each VM.')
param restartsPerDay int = 10

@minValue(1)
@description('The brake, for each VM: after so many restarts within an hour it pauses.')
param restartsPerHour int = 3

@minValue(1)
@description('How long that pause is.')
param brakeSeconds int = 1800

@minValue(1)
@description('The budget, for each VM: start requests within an hour, whatever comes of them.')
param startsPerHour int = 12


@minValue(1)
@description('Between looks at a VM that is on its way up or down.')
param lookAgainSeconds int = 15

@minValue(1)
@description('The first pause of a pool after "no capacity"; doubled each time.')
param capacityRetrySeconds int = 60

@minValue(1)
@description('The longest pause of a pool after "no capacity".')
param capacityRetryMaxSeconds int = 900

@minValue(1)
@description('While the Spot price is above the max price of the VM.')
param priceRetrySeconds int = 3600

@minValue(1)
@description('The pause after each refusal for quota or access; growing pauses after unknown refusals end here.')
param slowRetrySeconds int = 3600

@description('A queue with jobs for VMs that carry the tag StartForWork=<account>/<queue>. accountId: the id of its storage account. messagesPerVm: one VM is started for so many messages, up to maxVms. idleMinutes, minimumMinutes: as the worker on the VMs is given them. container: of that account; each new blob in it is a job. systemTopic: name of the system topic that the account has already, in its resource group; Azure allows one.')
type describedWorkQueue = {
  accountId: string
  queue: string
  @minValue(1)
  messagesPerVm: int?
  @minValue(1)
  @maxValue(100)
  maxVms: int?
  @minValue(0)
  idleMinutes: int?
  @minValue(0)
  minimumMinutes: int?
  container: string?
  systemTopic: string?
}

@description('Work queues: VMs are started while these have jobs, and only then. See docs/work-queues.md.')
param workQueues describedWorkQueue[] = []

var abbreviations = loadJsonContent('abbreviations.json')
var token = uniqueString(subscription().id, environmentName, location)
var resourceGroupName = '${abbreviations.resourceGroup}${environmentName}'
var names = {
  storageAccount: '${abbreviations.storageAccount}${token}'
  deadLettersAccount: '${abbreviations.storageAccount}dead${token}'
  applicationInsights: '${abbreviations.applicationInsights}${token}'
  app: '${abbreviations.functionApp}${token}'
}

var topics = union(
  loadJsonContent('event-filters.json').topics,
  scheduledEventsPreview ? loadJsonContent('preview-event-filters.json').topics : {}
)
var watched = empty(watchedSubscriptions) ? [subscription().subscriptionId] : watchedSubscriptions
var canListen = eventDelivery == 'queue' || functionDeployed || !empty(packageAddress)
var delivery = {
  by: eventDelivery
  subscriptionId: subscription().subscriptionId
  resourceGroupName: resourceGroupName
  storageAccountName: names.storageAccount
  deadLettersAccountName: names.deadLettersAccount
  appName: names.app
}

// As the app's setting WORK_QUEUES has them.
var workQueuesOfTheApp = map(workQueues, each => {
  name: '${last(split(each.accountId, '/'))}/${each.queue}'
  queueEndpoint: 'https://${last(split(each.accountId, '/'))}.queue.${environment().suffixes.storage}'
  tableEndpoint: 'https://${last(split(each.accountId, '/'))}.table.${environment().suffixes.storage}'
  messagesPerVm: each.?messagesPerVm ?? 1
  maxVms: each.?maxVms ?? 10
  idleMinutes: each.?idleMinutes ?? 5
  minimumMinutes: each.?minimumMinutes ?? 10
  container: endsWith(each.?container ?? '', '-checkpoints')
    ? fail('The container ${each.container!} of a work queue would make a job of each checkpoint: take another one.')
    : each.?container ?? ''
})

// Storage accounts with a container whose blobs are jobs: each has one system topic, for all of its work queues.
var blobQueues = filter(workQueues, each => !empty(each.?container ?? ''))
var blobAccounts = union(map(blobQueues, each => toLower(each.accountId)), [])
var namedTopics = map(
  blobAccounts,
  id =>
    first(filter(
      map(filter(blobQueues, each => toLower(each.accountId) == id), each => each.?systemTopic ?? ''),
      name => !empty(name)
    )) ?? ''
)
var blobTopics = map(range(0, length(blobAccounts)), index => {
  isNew: empty(namedTopics[index])
  name: empty(namedTopics[index])
    ? '${abbreviations.systemTopic}blobs-${uniqueString(blobAccounts[index], environmentName)}'
    : namedTopics[index]
})
var blobFilter = loadJsonContent('blob-event-filter.json')

// .../subscriptions/{2}/resourceGroups/{4}/providers/...; a stand-in where there is none, as a scope must always make sense.
var outcomesTopic = split(
  empty(outcomesTopicId) ? '${subscription().id}/resourceGroups/${resourceGroupName}/providers/none' : outcomesTopicId,
  '/'
)

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: resourceGroupName
  location: location
  tags: { 'azd-env-name': environmentName }
}

module storage 'storage.bicep' = {
  scope: group
  params: { name: names.storageAccount, location: location, hasWorkQueues: !empty(workQueues) }
}

// One after the other: those of one account make the same table, and several at once may refuse each other.
@batchSize(1)
module workQueue 'work-queue.bicep' = [
  for each in workQueues: {
    scope: resourceGroup(split(each.accountId, '/')[2], split(each.accountId, '/')[4])
    params: {
      accountName: last(split(each.accountId, '/'))
      queue: each.queue
      container: each.?container ?? ''
      #disable-next-line what-if-short-circuiting // role assignments are named by their principal
      principalId: access.outputs.principalId
    }
  }
]

module blobTopic 'work/blob-topic.bicep' = [
  for (id, index) in blobAccounts: {
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    params: {
      accountName: last(split(id, '/'))
      name: blobTopics[index].name
      location: workQueue[indexOf(map(workQueues, each => toLower(each.accountId)), id)].outputs.accountLocation
      isNew: blobTopics[index].isNew
    }
  }
]

module blobsSendJobs 'work/sender.bicep' = [
  for each in blobQueues: {
    scope: resourceGroup(split(each.accountId, '/')[2], split(each.accountId, '/')[4])
    params: {
      accountName: last(split(each.accountId, '/'))
      queue: each.queue
      #disable-next-line what-if-short-circuiting // role assignments are named by their principal
      principalId: blobTopic[indexOf(blobAccounts, toLower(each.accountId))].outputs.principalId
    }
    dependsOn: [workQueue]
  }
]

module blobsSendWakes 'work/sender.bicep' = [
  for (id, index) in blobAccounts: {
    scope: group
    params: {
      accountName: names.storageAccount
      queue: wakesQueue
      #disable-next-line what-if-short-circuiting // role assignments are named by their principal
      principalId: blobTopic[index].outputs.principalId
    }
    dependsOn: [storage]
  }
]

module blobsLeaveDeadLetters 'topics/delivery-access.bicep' = [
  for (id, index) in blobAccounts: {
    scope: group
    params: {
      #disable-next-line what-if-short-circuiting // role assignments are named by their principal
      principalId: blobTopic[index].outputs.principalId
      storageAccountName: names.storageAccount
      deadLettersAccountName: names.deadLettersAccount
      intoQueue: false
    }
    dependsOn: [storage, deadLetters]
  }
]

// Each blob's event goes to its work queue, where it is a job, and to the queue of wakes.
module blobEvents 'topics/event-subscriptions.bicep' = [
  for (id, index) in blobAccounts: {
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    params: {
      environmentName: environmentName
      topicName: blobTopics[index].name
      subscriptions: flatten(map(
        filter(blobQueues, each => toLower(each.accountId) == id),
        each =>
          map(
            [
              // A job does not expire (docs/azure-facts.md blobs-2); a wake may: the sweep has found the job long since.
              { name: 'jobs', into: { accountId: each.accountId, queue: each.queue, lifetimeSeconds: -1 } }
              { name: 'wakes', into: { queue: wakesQueue } }
            ],
            one => {
              // Event Grid takes 64 characters, and azd's name of the environment may have 32.
              name: '${length(each.queue) > 24 ? uniqueString(each.queue) : each.queue}-${one.name}'
              why: blobFilter.why
              filter: union(blobFilter.filter, {
                subjectBeginsWith: '/blobServices/default/containers/${each.container!}/'
              })
              into: one.into
            }
          )
      ))
      delivery: delivery
      actionGroupId: alarms.outputs.actionGroupId
    }
    dependsOn: [pause, blobTopic]
  }
]

module deadLetters 'dead-letters.bicep' = {
  scope: group
  params: { name: names.deadLettersAccount, location: location }
}

module telemetry 'telemetry.bicep' = {
  scope: group
  params: {
    workspaceName: '${abbreviations.workspace}${token}'
    applicationInsightsName: names.applicationInsights
    location: location
  }
}

module access 'access.bicep' = {
  scope: group
  params: {
    identityName: '${abbreviations.identity}${token}'
    location: location
    storageAccountName: names.storageAccount
    deadLettersAccountName: names.deadLettersAccount
    applicationInsightsName: names.applicationInsights
  }
  dependsOn: [storage, deadLetters, telemetry]
}

module outcomes 'outcomes.bicep' = if (!empty(outcomesTopicId)) {
  scope: resourceGroup(outcomesTopic[2], outcomesTopic[4])
  params: {
    topicName: last(outcomesTopic)
    #disable-next-line what-if-short-circuiting // role assignments are named by their principal
    principalId: access.outputs.principalId
  }
}

module app 'app.bicep' = {
  scope: group
  params: {
    appName: names.app
    planName: '${abbreviations.plan}${token}'
    location: location
    identityId: access.outputs.identityId
    identityClientId: access.outputs.clientId
    resizeIdentityId: resizeIdentityId
    storageAccountName: names.storageAccount
    applicationInsightsName: names.applicationInsights
    responderSettings: union(empty(workQueues) ? {} : { WORK_QUEUES: string(workQueuesOfTheApp) }, {
      RESIZE_CLIENT_ID: resizeClientId
      DRY_RUN: toLower(string(dryRun))
      SWEEP_SCHEDULE: sweepSchedule
      RESTART_TAG: restartTag
      RESTART_WHEN: restartWhen
      RESTARTS_PER_DAY: string(restartsPerDay)
      RESTARTS_PER_HOUR: string(restartsPerHour)
      BRAKE_SECONDS: string(brakeSeconds)
      STARTS_PER_HOUR: string(startsPerHour)
      LOOK_AGAIN_SECONDS: string(lookAgainSeconds)
      CAPACITY_RETRY_SECONDS: string(capacityRetrySeconds)
      CAPACITY_RETRY_MAX_SECONDS: string(capacityRetryMaxSeconds)
      PRICE_RETRY_SECONDS: string(priceRetrySeconds)
      SLOW_RETRY_SECONDS: string(slowRetrySeconds)
      OUTCOMES_TOPIC_ENDPOINT: outcomes.?outputs.endpoint ?? ''
      DEAD_LETTERS_ENDPOINT: deadLetters.outputs.endpoint
    })
  }
  // So that the roles, which watch assigns, have the minute that the app takes before listen needs them.
  dependsOn: [watch]
}

module pause 'pause.bicep' = {
  scope: group
  dependsOn: [app, alarms, workbook, workQueue, blobsSendJobs, blobsSendWakes, blobsLeaveDeadLetters]
}

module code 'code.bicep' = if (!empty(packageAddress)) {
  scope: group
  params: { appName: names.app, packageAddress: packageAddress }
  dependsOn: [pause]
}

module watch 'watch.bicep' = [
  for id in watched: {
    scope: subscription(id)
    params: {
      environmentName: environmentName
      location: location
      resourceGroupName: resourceGroupName
      #disable-next-line what-if-short-circuiting // role assignments are named by their principal
      principalId: access.outputs.principalId
      delivery: delivery
      existingTopics: {
        health: existingHealthTopics
        arm: existingArmTopics
        maintenance: existingMaintenanceTopics
      }
      topics: topics
    }
  }
]

module listen 'listen.bicep' = [
  for (id, index) in watched: if (canListen) {
    scope: subscription(id)
    params: {
      environmentName: environmentName
      systemTopics: watch[index].outputs.systemTopics
      topics: topics
      delivery: delivery
      actionGroupId: alarms.outputs.actionGroupId
    }
    // Event Grid refuses a subscription until its roles have taken effect; with push, until the function is there.
    dependsOn: [pause, code]
  }
]

module alarms 'alarms.bicep' = {
  scope: group
  params: {
    environmentName: environmentName
    actionGroupName: '${abbreviations.actionGroup}${token}'
    location: location
    workspaceId: telemetry.outputs.workspaceId
    email: alarmEmail
    sweepSchedule: sweepSchedule
    hasWorkQueues: !empty(workQueues)
  }
}

module workbook 'workbook.bicep' = {
  scope: group
  params: { location: location, workspaceId: telemetry.outputs.workspaceId }
}

output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_APP_NAME string = app.outputs.name
output AZURE_STORAGE_ACCOUNT_NAME string = names.storageAccount
output AZURE_DEAD_LETTERS_ACCOUNT_NAME string = names.deadLettersAccount
output AZURE_IDENTITY_CLIENT_ID string = access.outputs.clientId
output AZURE_LOG_ANALYTICS_WORKSPACE_ID string = telemetry.outputs.workspaceId
output SIGNALS_QUEUE string = signalsQueue
output WAKES_QUEUE_ADDRESS string = empty(workQueues) ? '' : storage.outputs.wakesQueueAddress
output AGENTS_QUEUE_ADDRESS string = storage.outputs.agentsQueueAddress
