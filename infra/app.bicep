// The Function app: Flex Consumption, Python 3.13, one user-assigned identity for everything but sizes of VMs, no key and no password.

import { packagesContainer } from 'storage.bicep'

param appName string
param planName string
param location string
param identityId string
param identityClientId string

@description('The identity that may change sizes of VMs. Empty: there is none.')
param resizeIdentityId string

param storageAccountName string
param applicationInsightsName string

@description('What the operator chose, as settings.py reads it: app settings by name.')
param responderSettings { *: string }

resource storage 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: storageAccountName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: appName
  location: location
  kind: 'functionapp,linux'
  tags: { 'azd-service-name': 'app' }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: union({ '${identityId}': {} }, empty(resizeIdentityId) ? {} : { '${resizeIdentityId}': {} })
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    siteConfig: {
      ftpsState: 'Disabled'
      http20Enabled: true
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packagesContainer}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      // 40 is plenty: ARM's limits are reached long before, and a pool without capacity is probed by one VM at a time.
      scaleAndConcurrency: { instanceMemoryMB: 2048, maximumInstanceCount: 40 }
    }
  }

  resource settings 'config' = {
    name: 'appsettings'
    properties: union(responderSettings, {
      // The host's connection by identity: with a user-assigned one it takes all of these (docs/azure-facts.md functions-2).
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identityClientId
      AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
      AzureWebJobsStorage__queueServiceUri: storage.properties.primaryEndpoints.queue
      AzureWebJobsStorage__tableServiceUri: storage.properties.primaryEndpoints.table
      AZURE_CLIENT_ID: identityClientId
      AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential'
      // An address, not a key: local authentication is off, and only the identity may write.
      APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights.properties.ConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
      ARM_ENDPOINT: environment().resourceManager
    })
  }

  // One after the other: changes of one site at the same time have been seen to refuse each other.
  resource ftpPassword 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    dependsOn: [settings]
    properties: { allow: false }
  }

  resource scmPassword 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    dependsOn: [ftpPassword]
    properties: { allow: false }
  }
}

output id string = app.id
output name string = app.name
