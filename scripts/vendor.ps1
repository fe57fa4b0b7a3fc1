# azd's prepackage hook: the app's libraries come into the package here, so that nothing is built in Azure.
$ErrorActionPreference = 'Stop'

Set-Location (Join-Path $PSScriptRoot '..')
foreach ($python in 'python', 'py', 'python3') {
  if (-not (Get-Command $python -ErrorAction SilentlyContinue)) { continue }
  # Windows has a `python` that only opens its store.
  & $python -m pip --version *> $null
  if ($LASTEXITCODE -ne 0) { continue }
  & $python scripts/vendor.py
  exit $LASTEXITCODE
}
[Console]::Error.WriteLine('vendor: there is no Python with pip: install Python from python.org, then try again')
exit 1
