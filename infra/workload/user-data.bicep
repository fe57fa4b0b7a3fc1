// What a VM reads of itself to know what to install: infra/vm/bootstrap.py takes the packages, infra/vm/install.py the settings.
// It can be changed on a VM that runs; every process of the VM can read it, so it holds no secret.

@export()
@description('A package of the account, by its content.')
type Package = {
  name: 'spot-vm' | 'work'
  sha256: string
}

@export()
@description('Which function works on which queue; agentsQueue is empty where there is no responder.')
type Settings = {
  queue: string
  function: string
  account: string
  options: string
  agentsQueue: string
}

@export()
@description('The user data of a VM.')
func userDataOf(packagesAddress string, packages Package[], settings Settings) string =>
  base64(string({
    packages: map(packages, one => {
      address: '${packagesAddress}/${one.name}-${one.sha256}.tar.gz'
      sha256: one.sha256
    })
    settings: settings
  }))
