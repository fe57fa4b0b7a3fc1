// Spot Responder in one subscription, watching this one or several.
//
//   storage, deadLetters, telemetry -> access -> app   what runs, and by which rights
//   watch (each subscription)                         a role to look and to start, system topics that may deliver
//   alarms, workbook                                  what an operator sees
//   pause -> code -> listen (each subscription)       the package and the event subscriptions, when roles had time to take effect

targetScope = 'subscription'

import { signalsQueue } from 'storage.bicep'

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
  params: { name: names.storageAccount, location: location }
}

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
    responderSettings: {
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
    }
  }
  // So that the roles, which watch assigns, have the minute that the app takes before listen needs them.
  dependsOn: [watch]
}

module pause 'pause.bicep' = {
  scope: group
  dependsOn: [app, alarms, workbook]
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
output AGENTS_QUEUE_ADDRESS string = storage.outputs.agentsQueueAddress
