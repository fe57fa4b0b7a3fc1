// A network whose VMs nobody reaches from outside. Azure gives new subnets no way out by themselves: a gateway is theirs, or they
// reach storage by private endpoints, and nothing else.

param name string
param location string
param bastion bool

@description('Whether the VMs reach the internet, by a gateway; without, there is a subnet for private endpoints.')
param hasGateway bool

resource address 'Microsoft.Network/publicIPAddresses@2025-01-01' = if (hasGateway) {
  name: 'pip-${name}-out'
  location: location
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

// Charged by the hour, and for each gigabyte; storage is reached past it, by the subnet's own endpoint (docs/vms.md).
resource gateway 'Microsoft.Network/natGateways@2025-01-01' = if (hasGateway) {
  name: 'ng-${name}'
  location: location
  sku: { name: 'Standard' }
  properties: {
    publicIpAddresses: [{ id: address.id }]
  }
}

var bastionAddresses = '10.40.4.0/26'

// Azure's own rules stand below these. They would let VMs of the network reach each other, which the work need not.
resource rules 'Microsoft.Network/networkSecurityGroups@2025-01-01' = {
  name: 'nsg-${name}'
  location: location
  properties: {
    securityRules: [
      {
        name: 'ssh-by-bastion'
        properties: {
          access: 'Allow'
          direction: 'Inbound'
          priority: 100
          protocol: 'Tcp'
          sourceAddressPrefix: bastionAddresses
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '22'
        }
      }
      {
        name: 'nobody-else'
        properties: {
          access: 'Deny'
          direction: 'Inbound'
          priority: 200
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2025-01-01' = {
  name: 'vnet-${name}'
  location: location
  properties: {
    addressSpace: { addressPrefixes: ['10.40.0.0/16'] }
  }

  resource subnet 'subnets' = {
    name: 'vms'
    properties: {
      addressPrefix: '10.40.0.0/22'
      defaultOutboundAccess: false
      natGateway: hasGateway ? { id: gateway.id } : null
      networkSecurityGroup: { id: rules.id }
      serviceEndpoints: hasGateway ? [{ service: 'Microsoft.Storage' }] : []
    }
  }
}

resource endpointsSubnet 'Microsoft.Network/virtualNetworks/subnets@2025-01-01' = if (!hasGateway) {
  parent: network
  name: 'endpoints'
  properties: { addressPrefix: '10.40.5.0/27', defaultOutboundAccess: false }
  dependsOn: [network::subnet]
}

resource bastionSubnet 'Microsoft.Network/virtualNetworks/subnets@2025-01-01' = if (bastion) {
  parent: network
  // Azure demands this name.
  name: 'AzureBastionSubnet'
  properties: { addressPrefix: bastionAddresses, defaultOutboundAccess: false }
  // Azure changes one subnet of a network at a time.
  dependsOn: [network::subnet, endpointsSubnet]
}

resource bastionAddress 'Microsoft.Network/publicIPAddresses@2025-01-01' = if (bastion) {
  name: 'pip-${name}-bastion'
  location: location
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

// Charged by the hour, whether somebody is logged in or not (docs/vms.md).
resource bastionHost 'Microsoft.Network/bastionHosts@2025-01-01' = if (bastion) {
  name: 'bas-${name}'
  location: location
  sku: { name: 'Basic' }
  properties: {
    ipConfigurations: [
      {
        name: 'bastion'
        properties: {
          subnet: { id: bastionSubnet.id }
          publicIPAddress: { id: bastionAddress.id }
        }
      }
    ]
  }
}

output networkId string = network.id
output subnetId string = network::subnet.id

@description('Where private endpoints go; empty with a gateway.')
output endpointsSubnetId string = hasGateway ? '' : endpointsSubnet.id
