// One VM, with an identity of its own.

import { Places } from 'places.bicep'

param name string
param location string

@description('Spot, or regular: never evicted, and at the regular price.')
param isSpot bool

param size string

@description('Besides the one by which the responder goes. One of that name outweighs it, but for work.')
param tags { *: string }

param maxPrice string
param adminUsername string
param sshPublicKey string
param subnetId string
param places Places
param userData string

@description('Whose blobs are jobs. Empty: none.')
param container string

@description('The role by which it stops itself when there is no work, and is started for work. Empty: it runs until it is evicted, and again after that.')
param stopRoleId string

@description('Whether its log lines go anywhere.')
param logs bool

@description('And by which rule; empty without.')
param collectionRuleId string

// The same for each VM and deployment: Azure refuses to change it on a VM that exists (docs/azure-facts.md vms-2). What changes
// is in the user data.
var customData = base64(replace(
  loadTextContent('../vm/cloud-init.yaml'),
  'BOOTSTRAP',
  loadFileAsBase64('../vm/bootstrap.py')
))

resource card 'Microsoft.Network/networkInterfaces@2025-01-01' = {
  name: 'nic-${name}'
  location: location
  properties: {
    ipConfigurations: [{ name: 'private', properties: { subnet: { id: subnetId } } }]
  }
}

resource vm 'Microsoft.Compute/virtualMachines@2025-04-01' = {
  name: name
  location: location
  // By its tag the responder knows when it is to start the VM again.
  tags: !empty(stopRoleId)
    ? union(tags, { StartForWork: '${places.account}/${places.queue}' })
    : union(isSpot ? { AttemptRestartAfterEviction: 'true' } : {}, tags)
  identity: { type: 'SystemAssigned' }
  properties: {
    hardwareProfile: { vmSize: size }
    priority: isSpot ? 'Spot' : 'Regular'
    // Never Delete: nobody would make a deleted VM again.
    evictionPolicy: isSpot ? 'Deallocate' : null
    billingProfile: isSpot ? { maxPrice: json(maxPrice) } : null
    storageProfile: {
      imageReference: {
        publisher: 'Canonical'
        offer: 'ubuntu-24_04-lts'
        sku: 'server'
        version: 'latest'
      }
      osDisk: {
        createOption: 'FromImage'
        deleteOption: 'Delete'
        managedDisk: { storageAccountType: 'StandardSSD_LRS' }
      }
    }
    osProfile: {
      computerName: name
      adminUsername: adminUsername
      customData: customData
      linuxConfiguration: {
        disablePasswordAuthentication: true
        ssh: {
          publicKeys: [{ path: '/home/${adminUsername}/.ssh/authorized_keys', keyData: sshPublicKey }]
        }
      }
    }
    userData: userData
    securityProfile: {
      securityType: 'TrustedLaunch'
      uefiSettings: { secureBootEnabled: true, vTpmEnabled: true }
    }
    networkProfile: {
      networkInterfaces: [{ id: card.id, properties: { deleteOption: 'Delete' } }]
    }
    diagnosticsProfile: {
      bootDiagnostics: { enabled: true }
    }
  }
}

resource monitorAgent 'Microsoft.Compute/virtualMachines/extensions@2025-04-01' = if (logs) {
  parent: vm
  name: 'AzureMonitorLinuxAgent'
  location: location
  properties: {
    publisher: 'Microsoft.Azure.Monitor'
    type: 'AzureMonitorLinuxAgent'
    typeHandlerVersion: '1.0'
    autoUpgradeMinorVersion: true
    enableAutomaticUpgrade: true
  }
}

resource collection 'Microsoft.Insights/dataCollectionRuleAssociations@2024-03-11' = if (logs) {
  name: 'services'
  scope: vm
  properties: { dataCollectionRuleId: collectionRuleId }
}

module access 'access.bicep' = {
  params: {
    #disable-next-line what-if-short-circuiting // role assignments are named by their principal
    principalId: vm.identity.principalId
    places: places
    container: container
    vmName: vm.name
    stopRoleId: stopRoleId
  }
}

output principalId string = vm.identity.principalId
