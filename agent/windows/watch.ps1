# Watches the scheduled events of an Azure Spot VM with Windows, and runs preempt.ps1 at the notice of an eviction.
#
# NEVER RUN: written from Microsoft's documentation, without a Windows to try it on. It is not the agent: it drains no
# load balancer, tells nobody, keeps no state and recovers nothing. Try `az vm simulate-eviction` before you rely on it.
#
# As administrator, with your preempt.ps1 beside this file:   powershell -ExecutionPolicy Bypass -File watch.ps1 -Install
# To remove the task and its folder:                          powershell -ExecutionPolicy Bypass -File watch.ps1 -Uninstall
param([switch] $Install, [switch] $Uninstall)
$ErrorActionPreference = 'Stop'
$task = 'spot-agent'
$folder = Join-Path $env:ProgramFiles 'spot-agent' # only administrators may write there, and the task runs as SYSTEM
$arguments = '-NoProfile -NonInteractive -ExecutionPolicy Bypass -File "{0}"'

if ($Install) {
    New-Item -ItemType Directory -Force -Path $folder | Out-Null
    Copy-Item -Force -Path $PSCommandPath -Destination (Join-Path $folder 'watch.ps1')
    Copy-Item -Force -Path (Join-Path $PSScriptRoot 'preempt.ps1') -Destination $folder
    $action = New-ScheduledTaskAction -Execute 'powershell.exe' -Argument ($arguments -f (Join-Path $folder 'watch.ps1'))
    $trigger = New-ScheduledTaskTrigger -AtStartup
    $principal = New-ScheduledTaskPrincipal -UserId 'SYSTEM' -LogonType ServiceAccount -RunLevel Highest
    $settings = New-ScheduledTaskSettingsSet -ExecutionTimeLimit ([TimeSpan]::Zero) -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1)
    Register-ScheduledTask -Force -TaskName $task -Action $action -Trigger $trigger -Principal $principal -Settings $settings | Out-Null
    Start-ScheduledTask -TaskName $task
    exit
}
if ($Uninstall) {
    Stop-ScheduledTask -TaskName $task
    Unregister-ScheduledTask -TaskName $task -Confirm:$false
    Remove-Item -Recurse -Force -Path $folder
    exit
}

Add-Type -AssemblyName System.Net.Http
$handler = New-Object System.Net.Http.HttpClientHandler
$handler.UseProxy = $false
$client = New-Object System.Net.Http.HttpClient $handler
$client.Timeout = [System.Threading.Timeout]::InfiniteTimeSpan # each request has its own
$client.DefaultRequestHeaders.Add('Metadata', 'true')

function Get-Metadata([string] $Path, [int] $WithinSeconds) {
    $cancel = New-Object System.Threading.CancellationTokenSource ($WithinSeconds * 1000)
    $answer = $client.GetAsync("http://169.254.169.254/metadata/$Path", $cancel.Token).GetAwaiter().GetResult()
    $answer.EnsureSuccessStatusCode() | Out-Null
    $answer.Content.ReadAsStringAsync().GetAwaiter().GetResult() | ConvertFrom-Json
}

$name = ''
$seen = @{}
$within = 130 # the first answer may take two minutes, and switches the events on
while ($true) {
    try {
        $notices = (Get-Metadata 'scheduledevents?api-version=2020-07-01' $within).Events
        $within = 2
        if (-not $name) { $name = (Get-Metadata 'instance?api-version=2021-02-01' 2).compute.name }
        foreach ($notice in $notices) {
            $isNew = $notice.EventType -eq 'Preempt' -and $notice.Resources -contains $name -and -not $seen[$notice.EventId]
            if ($isNew) {
                $seen[$notice.EventId] = $true
                $env:SPOT_AGENT_EVENT_ID = $notice.EventId
                Start-Process -FilePath 'powershell.exe' -ArgumentList ($arguments -f (Join-Path $folder 'preempt.ps1'))
            }
        }
    } catch {
        Write-Warning $_.Exception.Message # asked again in a second
    }
    Start-Sleep -Seconds 1
}
