// A workload that survives evictions: Spot VMs without public addresses, a queue of jobs, and the agent and a worker on each VM.
// scripts/deploy-workload.sh deploys it and uploads the packages. The responder (infra/main.bicep) starts these VMs again; it is
// deployed by itself, once for all workloads of a subscription.
//
//   network           a subnet, and its way out
//   storage           jobs, checkpoints, results; the packages in an account that no VM can write
//   endpoints         of storage, in place of a way out
//   logs              optional
//   vms (each VM)     the VM, its identity, and what that may do

import { agentsQueue } from '../storage.bicep'
import { packagesContainer, placesOf } from 'places.bicep'
import { userDataOf } from 'user-data.bicep'

param location string = resourceGroup().location

@minLength(1)
@maxLength(20)
@description('Begins the names of what is deployed: letters, digits and hyphens.')
param name string = 'spot-work'

@minValue(0)
@maxValue(200)
@description('How many Spot VMs. Fewer than before deletes none.')
param spotCount int = 2

@minValue(0)
@maxValue(200)
@description('How many regular VMs beside them, which are never evicted.')
param regularCount int = 0

@description('Size of the VMs: of generation 2 and x64, with Spot capacity.')
param size string = 'Standard_D2as_v5'

@description('Most US dollars an hour for a Spot VM, with at most five decimals. -1: up to the regular price, and never evicted because of it.')
param maxPrice string = '-1'

@description('The public key by which you log in, through Azure Bastion.')
param sshPublicKey string

param adminUsername string = 'azureuser'

@minLength(3)
@maxLength(51)
@description('Name of the queue of jobs: a-z, 0-9 and single hyphens.')
param queue string = 'jobs'

@description('What is called with each job: MODULE:FUNCTION of your package.')
param workFunction string

@description('Whatever else `spot-worker run` takes, such as --slots auto.')
param workerOptions string = ''

@minLength(64)
@maxLength(64)
@description('SHA-256 of spot-vm.tar.gz, which is in the account as spot-vm-SHA256.tar.gz.')
param vmPackage string

@minLength(64)
@maxLength(64)
@description('SHA-256 of your package, which is in the account as work-SHA256.tar.gz.')
param workPackage string

@description('Resource group of the responder, in this subscription. Empty: nobody is told of evictions.')
param responderGroup string = ''

@description('The responder\'s storage account: the output AZURE_STORAGE_ACCOUNT_NAME of its deployment.')
param responderStorage string = ''

@description('A NAT gateway leads to the internet. Private endpoints lead to the storage that is needed, and there is no way elsewhere.')
param wayOut 'natGateway' | 'privateEndpoints' = 'natGateway'

@description('Let Azure Bastion (Basic) lead to the VMs. It is charged by the hour.')
param bastion bool = false

@description('Send the services\' log lines to a workspace of Log Analytics, which charges by what it takes in. It takes wayOut=natGateway.')
param logs bool = false

@description('VMs run while there is work: the responder starts them, its parameter workQueues naming this queue, and each stops itself.')
param startForWork bool = false

@description('Container of the account of jobs whose blobs are jobs, as in workQueues. Empty: none.')
param container string = ''

@minValue(0)
@maxValue(10080)
@description('With startForWork: for how many minutes a VM is idle before it stops itself, as in workQueues.')
param idleMinutes int = 5

@minValue(0)
@maxValue(10080)
@description('With startForWork: for how many minutes it is up at least, as in workQueues.')
param minimumMinutes int = 10

@description('Tags that each VM is to have besides.')
param tags { *: string } = {}

@description('Size and tags of the VMs that exist, by name, which they keep: { NAME: { size: SIZE, tags: {} } }. Empty: size and tags are set back.')
param existing { *: { size: string, tags: { *: string } } } = {}

@description('Object id of who uploads the packages and submits jobs.')
param operatorId string = deployer().objectId

var token = uniqueString(resourceGroup().id, name)
var abbreviations = loadJsonContent('../abbreviations.json')
var places = placesOf('${abbreviations.storageAccount}${token}', '${abbreviations.storageAccount}pkg${token}', queue)
var hasResponder = !empty(responderGroup)
var hasGateway = wayOut == 'natGateway'
var sendsLogs = logs && !hasGateway
  ? fail('logs=true takes wayOut=natGateway: by private endpoints the VMs reach storage only, and no workspace')
  : logs
// Each worker asks Azure Resource Manager to stop its VM, and no private endpoint leads there.
var stopsItself = startForWork && !hasGateway
  ? fail('startForWork=true takes wayOut=natGateway: by private endpoints the VMs reach storage only, and cannot stop themselves')
  : startForWork
var ownStopRole = loadJsonContent('own-stop-role.json')
var kinds = [
  ...map(range(0, spotCount), index => { name: '${name}-spot-${index}', isSpot: true })
  ...map(range(0, regularCount), index => { name: '${name}-regular-${index}', isSpot: false })
]

module network 'network.bicep' = {
  params: { name: name, location: location, bastion: bastion, hasGateway: hasGateway }
}

module storage 'storage.bicep' = {
  params: {
    location: location
    places: places
    operatorId: operatorId
    container: container
  }
}

module endpoints 'private-endpoints.bicep' = if (!hasGateway) {
  params: {
    name: name
    location: location
    networkId: network.outputs.networkId
    subnetId: network.outputs.endpointsSubnetId
    storageServices: [
      { as: 'jobs-blob', group: resourceGroup().name, account: places.account, service: 'blob' }
      { as: 'jobs-queue', group: resourceGroup().name, account: places.account, service: 'queue' }
      { as: 'jobs-table', group: resourceGroup().name, account: places.account, service: 'table' }
      { as: 'packages', group: resourceGroup().name, account: places.packagesAccount, service: 'blob' }
      ...(hasResponder
        ? [{ as: 'responder', group: responderGroup, account: responderStorage, service: 'queue' }]
        : [])
    ]
  }
  dependsOn: [storage]
}

module log 'logs.bicep' = if (sendsLogs) {
  params: { name: '${abbreviations.workspace}${token}', location: location }
}

// A custom role's name must be unique in the whole directory, so it names its group and subscription.
resource stopRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (stopsItself) {
  name: guid(resourceGroup().id, ownStopRole.roleName)
  properties: {
    type: 'CustomRole'
    roleName: '${ownStopRole.roleName} ${resourceGroup().name} ${subscription().subscriptionId}'
    description: ownStopRole.description
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        actions: ownStopRole.actions
        notActions: ownStopRole.notActions
        dataActions: ownStopRole.dataActions
        notDataActions: ownStopRole.notDataActions
      }
    ]
  }
}

module vms 'vm.bicep' = [
  for kind in kinds: {
    params: {
      name: kind.name
      location: location
      isSpot: kind.isSpot
      size: existing[?kind.name].?size ?? size
      tags: union(tags, existing[?kind.name].?tags ?? {})
      maxPrice: maxPrice
      adminUsername: adminUsername
      sshPublicKey: sshPublicKey
      subnetId: network.outputs.subnetId
      places: places
      container: container
      stopRoleId: stopsItself ? stopRole.id : ''
      logs: sendsLogs
      collectionRuleId: log.?outputs.collectionRuleId ?? ''
      userData: userDataOf(
        'https://${places.packagesAccount}.blob.${environment().suffixes.storage}/${packagesContainer}',
        [{ name: 'spot-vm', sha256: vmPackage }, { name: 'work', sha256: workPackage }],
        {
          queue: queue
          function: workFunction
          account: places.account
          options: stopsItself
            ? '${workerOptions} --stop-vm-after-idle ${idleMinutes} --stop-vm-minimum ${minimumMinutes}'
            : workerOptions
          agentsQueue: hasResponder ? 'https://${responderStorage}.queue.${environment().suffixes.storage}/${agentsQueue}' : ''
        }
      )
    }
    dependsOn: [storage]
  }
]

module senders '../agent/senders.bicep' = if (hasResponder) {
  scope: resourceGroup(hasResponder ? responderGroup : resourceGroup().name)
  params: {
    storageAccountName: responderStorage
    #disable-next-line what-if-short-circuiting // role assignments are named by their principal
    principalIds: [for index in range(0, length(kinds)): vms[index].outputs.principalId]
  }
}

output JOBS_ACCOUNT_NAME string = places.account
output JOBS_ACCOUNT_ID string = storage.outputs.jobsAccountId
output PACKAGES_ACCOUNT_NAME string = places.packagesAccount
output QUEUE string = queue
