#Requires -RunAsAdministrator
<#
.SYNOPSIS
  Takes the service and its program away. Settings and state (ProgramData\Dunning) and the database stay.
#>
param([string] $Name = 'dunning', [string] $Program = (Join-Path $env:ProgramFiles 'Dunning'))
$ErrorActionPreference = 'Stop'

# Windows only asks a service to stop, and its file is held until the process has ended.
if (Get-Service $Name -ErrorAction SilentlyContinue) {
    $process = (Get-CimInstance Win32_Service -Filter "Name='$Name'").ProcessId
    Stop-Service $Name
    (Get-Service $Name).WaitForStatus('Stopped', '00:00:30')
    if ($process) { Wait-Process -Id $process -Timeout 30 -ErrorAction SilentlyContinue }
}
& (Join-Path $Program 'dunning.exe') service uninstall --name $Name
if ($LASTEXITCODE -ne 0) { throw "service uninstall ended with $LASTEXITCODE" }
# The second is what an upgrade has kept.
foreach ($folder in $Program, "$Program.before") {
    if (Test-Path -LiteralPath $folder) { Remove-Item -Recurse -Force -LiteralPath $folder }
}
