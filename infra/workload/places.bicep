// Where a workload keeps what.

@export()
@description('The storage accounts, and what is in that of the jobs.')
type Places = {
  account: string
  packagesAccount: string
  queue: string
  poison: string
  checkpoints: string
  results: string
  workers: string
}

@export()
@description('The container of the packages.')
var packagesContainer = 'packages'

@export()
@description('The names that a worker gives to what belongs to its queue: those of worker/spot_worker/deciding/names.py.')
func placesOf(account string, packagesAccount string, queue string) Places => {
  account: account
  packagesAccount: packagesAccount
  queue: queue
  poison: '${queue}-poison'
  checkpoints: '${queue}-checkpoints'
  results: '${replace(queue, '-', '')}results'
  workers: 'workers'
}
