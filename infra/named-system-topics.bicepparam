// The subscription has system topics already, and Azure allows one of a type: they are used, where they are.
using 'main.bicep'

param environmentName = 'spot-responder'
param location = 'westeurope'
param existingHealthTopics = [
  '/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-events/providers/Microsoft.EventGrid/systemTopics/health'
]
param existingArmTopics = [
  '/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-events/providers/Microsoft.EventGrid/systemTopics/operations'
]
