// Tells the operator what needs a person. The questions stand in queries/logs; what to do at each, in docs/operations.md.

param environmentName string
param actionGroupName string
param location string
param workspaceId string

@description('Who is told by e-mail; empty: nobody, and alarms are seen in the portal only.')
param email string

@description('When the sweep runs: NCRONTAB, six fields.')
param sweepSchedule string

@description('Whether there are work queues: then there is an alarm about them.')
param hasWorkQueues bool

// Second, minute, hour, day, month, day of the week. Where the sweep does not run at more than one minute of each hour of
// each day, an hour without one says nothing, and nobody is to be told.
var when = split(sweepSchedule, ' ')
var minutes = when[?1] ?? ''
var isEachHour = join(skip(when, 2), ' ') == '* * * *'
var isOften = minutes == '*' || contains(minutes, '/') || contains(minutes, ',') || contains(minutes, '-')

// An alarm is fired by the first row of its query; the one of the app's silence, where there is none. No query makes up a row: Azure
// sorts rows into windows by their time, and one that says "now" may lie past the end of the window that it is for.
// `eachBy` names the column by which alarms of a kind are told apart: while one VM's is fired, another VM's is told all
// the same. Where it names none, there is one of the kind at a time.
var silence = 'app-silent'
var alarmAboutWork = {
  name: 'work'
  title: 'work waits too long, or a VM for work does not claim any or does not stop'
  severity: 2
  every: 'PT15M'
  window: 'PT1H'
  eachBy: ['queue', 'vm', 'needs']
  query: loadTextContent('../queries/logs/alarm-work.kql')
}
var alarms = [
  ...(hasWorkQueues ? [alarmAboutWork] : [])
  {
    name: 'app-failures'
    title: 'a function of the app fails again and again'
    severity: 1
    every: 'PT15M'
    window: 'PT1H'
    eachBy: ['what']
    query: loadTextContent('../queries/logs/alarm-app-failures.kql')
  }
  {
    name: silence
    title: 'the app is silent: no sweep for an hour'
    severity: 1
    every: 'PT30M'
    window: 'PT1H'
    eachBy: []
    query: loadTextContent('../queries/logs/alarm-app-silent.kql')
  }
  {
    name: 'host-errors'
    title: 'the host of the app is in trouble'
    severity: 1
    every: 'PT15M'
    window: 'PT30M'
    eachBy: []
    query: loadTextContent('../queries/logs/alarm-host-errors.kql')
  }
  {
    // Not by message: who writes rubbish into the queue would be told of each piece.
    name: 'poison'
    title: 'messages that nobody could read or answer'
    severity: 2
    every: 'PT15M'
    window: 'PT30M'
    eachBy: []
    query: loadTextContent('../queries/logs/alarm-poison.kql')
  }
  {
    name: 'denied'
    title: 'Azure denies the app a look or a start: a role, a lock or a policy'
    severity: 2
    every: 'PT30M'
    window: 'PT2H'
    eachBy: ['vm']
    query: loadTextContent('../queries/logs/alarm-denied.kql')
  }
  {
    name: 'event-path-silent'
    title: 'the sweep finds evicted VMs of a subscription that no event told of'
    severity: 2
    every: 'PT30M'
    window: 'PT1H'
    eachBy: ['subscription']
    query: loadTextContent('../queries/logs/alarm-event-path-silent.kql')
  }
  {
    name: 'lasting'
    title: 'something that should pass within minutes has lasted, or a VM needs somebody'
    severity: 2
    every: 'PT30M'
    window: 'PT2H'
    eachBy: ['vm', 'needs']
    query: loadTextContent('../queries/logs/alarm-lasting.kql')
  }
  {
    name: 'unrecovered'
    title: 'a VM has been waiting for longer than a day'
    severity: 2
    every: 'PT1H'
    window: 'P1D'
    eachBy: ['vm']
    query: loadTextContent('../queries/logs/alarm-unrecovered.kql')
  }
  {
    name: 'unpublished'
    title: 'outcomes that were not published'
    severity: 3
    every: 'PT1H'
    window: 'PT1H'
    eachBy: []
    query: loadTextContent('../queries/logs/alarm-unpublished.kql')
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
      enabled: alarm.name != silence || (isEachHour && isOften)
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
            dimensions: map(alarm.eachBy, column => { name: column, operator: 'Include', values: ['*'] })
            timeAggregation: 'Count'
            operator: alarm.name == silence ? 'LessThan' : 'GreaterThan'
            threshold: alarm.name == silence ? 1 : 0
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [operators.id] }
    }
  }
]

output actionGroupId string = operators.id
