// The agent and the worker kit as a VM application: for VMs that exist already, each of which names the version that it has.
// `azd up` does not deploy it; docs/vms.md §3 has the steps. Deploy it once without a version, put the package into the account,
// and deploy it again for each version. What a VM's identity may do is in senders.bicep.

import { guarded } from '../storage.bicep'

param location string = resourceGroup().location

@description('Regions that versions are copied to: those of the VMs.')
param regions string[] = [location]

@minLength(1)
@maxLength(80)
@description('Name of the gallery: letters, digits, dots and underscores.')
param galleryName string = 'spot_responder'

@description('The version to publish, such as 1.0.0. Its package must be in the account: spot-vm-1.0.0.tar.gz. Empty: none is published.')
param version string = ''

@description('Address of the responder\'s queue of agents: the output AGENTS_QUEUE_ADDRESS of its deployment. Empty: the agent works alone.')
param agentsQueueAddress string = ''

@description('Object id of who puts packages into the account.')
param publisherId string = deployer().objectId

@export()
@description('The container of the packages.')
var packagesContainer = 'packages'

@export()
@description('The name of the package in a VM: what the commands below unpack.')
var packageFileName = 'spot-vm.tar.gz'

var abbreviations = loadJsonContent('../abbreviations.json')

// Each command may run again, after a reboot amid its work too, and leaves nothing in the folder that Azure downloads to
// (docs/azure-facts.md vms-3).
var unpack = 'set -e; umask 022; d=$(mktemp -d /var/tmp/spot-vm.XXXXXX); trap \'rm -rf "$d"\' EXIT; tar -xzf ${packageFileName} -C "$d"'
var install = '${unpack}; python3 "$d/install.py" install${empty(agentsQueueAddress) ? '' : ' --queue \'${agentsQueueAddress}\''}'
// By the copy that install.py made of itself: at the end nobody needs the package.
var remove = 'set -e; i=/usr/local/lib/spot-vm/install.py; if [ -e "$i" ]; then python3 "$i" remove; fi'

// Built-in roles, by the ids that Azure documents.
var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

// No VM's identity has a role here: who could write it could run programs as root on every VM.
resource packages 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: '${abbreviations.storageAccount}pkg${uniqueString(resourceGroup().id, galleryName)}'
  location: location
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: guarded

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: 7 }
    }

    resource container 'containers' = {
      name: packagesContainer
      properties: { publicAccess: 'None' }
    }
  }
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${abbreviations.identity}${galleryName}'
  location: location
}

// Azure documents Contributor, though the gallery only reads (docs/azure-facts.md vms-4).
resource galleryReads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(packages.id, identity.id, storageBlobDataContributor)
  scope: packages
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
  }
}

resource publisherWrites 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(packages::blobs::container.id, publisherId, storageBlobDataContributor)
  scope: packages::blobs::container
  properties: {
    principalId: publisherId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
  }
}

resource gallery 'Microsoft.Compute/galleries@2025-03-03' = {
  name: galleryName
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: { description: 'Spot Responder: what runs in VMs' }

  resource application 'applications' = {
    name: 'spot-vm'
    location: location
    properties: {
      description: 'The agent, and the worker kit'
      supportedOSType: 'Linux'
    }

    // Azure refuses to change commands or file name of a version that exists: another one is another version.
    resource versions 'versions' = if (!empty(version)) {
      name: empty(version) ? '0.0.0' : version
      location: location
      properties: {
        publishingProfile: {
          source: { mediaLink: '${packages.properties.primaryEndpoints.blob}${packagesContainer}/spot-vm-${version}.tar.gz' }
          manageActions: { install: install, update: install, remove: remove }
          settings: { packageFileName: packageFileName, scriptBehaviorAfterReboot: 'Rerun' }
          targetRegions: [for region in regions: { name: region, regionalReplicaCount: 1 }]
          // A VM names its version: `latest` would change VMs that nobody touched.
          excludeFromLatest: true
        }
        safetyProfile: { allowDeletionOfReplicatedLocations: true }
      }
      dependsOn: [galleryReads]
    }
  }
}

output PACKAGES_ACCOUNT_NAME string = packages.name
output VERSION_ID string = empty(version) ? '' : gallery::application::versions.id
