// The ordinary way: this subscription, events through the queue.
using 'main.bicep'

param environmentName = 'spot-responder'
param location = 'westeurope'
param alarmEmail = 'operators@example.com'
