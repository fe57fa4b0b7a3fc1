// Puts a released package into the app, for a deployment without azd. The identity's right to the package's container must have
// taken effect by now, so this comes as late as it can.

param appName string

@description('Address of the package; one that answers with a redirect may be refused.')
param packageAddress string

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: appName

  resource code 'extensions' = {
    name: 'onedeploy'
    #disable-next-line BCP187 // documented for Flex Consumption; the published types do not have it
    properties: {
      packageUri: packageAddress
      remoteBuild: false
    }
  }
}
