// The operator's page in the portal: evictions, time to restore, what is still open, what fails and where.

param location string
param workspaceId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'spot-responder')
  location: location
  kind: 'shared'
  properties: {
    displayName: 'Spot Responder'
    category: 'workbook'
    sourceId: workspaceId
    serializedData: loadTextContent('workbook/workbook.json')
  }
}
