// Storage at addresses of the network's own, for VMs that reach nothing else. An endpoint leads to one service of one account; a
// zone of DNS for each service lets the account's usual name lead to the endpoint (docs/azure-facts.md vms-7): no VM is told of it.

param name string
param location string
param networkId string
param subnetId string

@export()
@description('A service of a storage account, in a resource group of this subscription. `as` names the endpoint.')
type StorageService = {
  as: string
  group: string
  account: string
  service: 'blob' | 'queue' | 'table'
}

@description('What the VMs are to reach.')
param storageServices StorageService[]

var services = ['blob', 'queue', 'table']

// Azure prescribes these names.
resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for service in services: {
    name: 'privatelink.${service}.${environment().suffixes.storage}'
    location: 'global'
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (service, index) in services: {
    parent: zones[index]
    name: 'vnet-${name}'
    location: 'global'
    properties: { registrationEnabled: false, virtualNetwork: { id: networkId } }
  }
]

// Each is charged by the hour, and for each gigabyte (docs/vms.md).
resource endpoints 'Microsoft.Network/privateEndpoints@2025-01-01' = [
  for one in storageServices: {
    name: 'pe-${name}-${one.as}'
    location: location
    properties: {
      subnet: { id: subnetId }
      privateLinkServiceConnections: [
        {
          name: one.as
          properties: {
            privateLinkServiceId: resourceId(one.group, 'Microsoft.Storage/storageAccounts', one.account)
            groupIds: [one.service]
          }
        }
      ]
    }
  }
]

// Azure keeps the account's record in the zone by it.
resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-01-01' = [
  for (one, index) in storageServices: {
    parent: endpoints[index]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: one.service
          properties: { privateDnsZoneId: zones[indexOf(services, one.service)].id }
        }
      ]
    }
  }
]
