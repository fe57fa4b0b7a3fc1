// One app that watches three subscriptions, its own among them, and restarts only what surely was evicted.
using 'main.bicep'

param environmentName = 'spot-responder'
param location = 'westeurope'
param restartWhen = 'evicted'
param watchedSubscriptions = [
  '00000000-0000-4000-8000-000000000001'
  '00000000-0000-4000-8000-000000000002'
  '00000000-0000-4000-8000-000000000003'
]
