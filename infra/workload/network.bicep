// A network whose VMs nobody reaches from outside. Azure gives new subnets no way out by themselves: the gateway is theirs.

param name string
param location string
param bastion bool

resource address 'Microsoft.Network/publicIPAddresses@2025-01-01' = {
  name: 'pip-${name}-out'
  location: location
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

// Charged by the hour, and for each gigabyte; storage is reached past it, by the subnet's own endpoint (docs/worker.md).
resource gateway 'Microsoft.Network/natGateways@2025-01-01' = {
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
      natGateway: { id: gateway.id }
      networkSecurityGroup: { id: rules.id }
      serviceEndpoints: [{ service: 'Microsoft.Storage' }]
    }
  }
}

resource bastionSubnet 'Microsoft.Network/virtualNetworks/subnets@2025-01-01' = if (bastion) {
  parent: network
  // Azure demands this name.
  name: 'AzureBastionSubnet'
  properties: { addressPrefix: bastionAddresses, defaultOutboundAccess: false }
  dependsOn: [network::subnet]
}

resource bastionAddress 'Microsoft.Network/publicIPAddresses@2025-01-01' = if (bastion) {
  name: 'pip-${name}-bastion'
  location: location
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

// Charged by the hour, whether somebody is logged in or not (docs/worker.md).
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

output subnetId string = network::subnet.id
