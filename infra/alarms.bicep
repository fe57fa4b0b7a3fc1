// Tells the operator what needs a person. The questions stand in queries/logs; what to do at each, in docs/operations.md.

param environmentName string
param actionGroupName string
param location string
param workspaceId string

@description('Who is told by e-mail; empty: nobody, and alarms are seen in the portal only.')
param email string

var alarms = [
  {
    name: 'app-failures'
    title: 'the app itself fails'
    severity: 1
    every: 'PT15M'
    window: 'PT30M'
    query: loadTextContent('../queries/logs/alarm-app-failures.kql')
  }
  {
    // With a sweep each quarter of an hour; who sets it to less than two an hour has to let go of this alarm.
    name: 'app-silent'
    title: 'the app is silent: no sweep for an hour'
    severity: 1
    every: 'PT30M'
    window: 'PT1H'
    query: loadTextContent('../queries/logs/alarm-app-silent.kql')
  }
  {
    name: 'poison'
    title: 'messages that nobody could read or answer'
    severity: 2
    every: 'PT15M'
    window: 'PT30M'
    query: loadTextContent('../queries/logs/alarm-poison.kql')
  }
  {
    name: 'denied'
    title: 'Azure denies the app a look or a start: a role, a lock or a policy'
    severity: 2
    every: 'PT30M'
    window: 'PT1H'
    query: loadTextContent('../queries/logs/alarm-denied.kql')
  }
  {
    name: 'event-path-silent'
    title: 'the sweep finds evicted VMs that no event told of'
    severity: 2
    every: 'PT30M'
    window: 'PT1H'
    query: loadTextContent('../queries/logs/alarm-event-path-silent.kql')
  }
  {
    name: 'gave-up'
    title: 'a VM has been waiting for longer than a day'
    severity: 2
    every: 'PT1H'
    window: 'P1D'
    query: loadTextContent('../queries/logs/alarm-gave-up.kql')
  }
]

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  location: 'global'
  properties: {
    enabled: true
    groupShortName: 'SpotResp'
    emailReceivers: empty(email) ? [] : [{ name: 'operator', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource rules 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for alarm in alarms: {
    name: '${environmentName}-${alarm.name}'
    location: location
    kind: 'LogAlert'
    properties: {
      displayName: 'Spot Responder: ${alarm.title}'
      severity: alarm.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: alarm.every
      windowSize: alarm.window
      // The longest that Azure looks back; only the query that asks for more than its window needs it.
      overrideQueryTimeRange: alarm.window == 'P1D' ? 'P2D' : null
      autoMitigate: true
      // A new workspace has no tables yet to check the query against.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: alarm.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [operators.id] }
    }
  }
]

output actionGroupId string = operators.id
