// Listens to scheduled events as well, which are in preview at Azure, tells outcomes, and starts nothing yet.
using 'main.bicep'

param environmentName = 'spot-responder'
param location = 'westeurope'
param scheduledEventsPreview = true
param dryRun = true
param outcomesTopicId = '/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-events/providers/Microsoft.EventGrid/topics/outcomes'
