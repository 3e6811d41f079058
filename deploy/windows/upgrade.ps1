#Requires -RunAsAdministrator
<#
.SYNOPSIS
  Replaces the program of an installed service by that of this folder; settings, state and database stay.
#>
param([string] $Name = 'dunning', [string] $Program = (Join-Path $env:ProgramFiles 'Dunning'))
$ErrorActionPreference = 'Stop'
$source = Resolve-Path (Join-Path $PSScriptRoot '..\..')
foreach ($folder in $source, $Program) {
    if (-not (Test-Path -LiteralPath (Join-Path $folder 'dunning.exe'))) { throw "dunning.exe is not in $folder" }
}

function Stop-Program {
    $process = (Get-CimInstance Win32_Service -Filter "Name='$Name'").ProcessId
    # What is under way is finished first; that takes less than ten seconds.
    Stop-Service $Name
    (Get-Service $Name).WaitForStatus('Stopped', '00:00:30')
    # Its file is held until the process has ended, a moment after the service.
    if ($process) { Wait-Process -Id $process -Timeout 30 -ErrorAction SilentlyContinue }
}

# Before anything is stopped: a program that runs can be copied, though not replaced.
$before = "$Program.before"
if (Test-Path -LiteralPath $before) { Remove-Item -Recurse -Force -LiteralPath $before }
Copy-Item -Recurse -LiteralPath $Program -Destination $before
Stop-Program
try {
    Get-ChildItem -Force -LiteralPath $source | Copy-Item -Recurse -Force -Destination $Program
    Start-Service $Name
}
catch {
    Write-Warning "The new program does not start, and the one of before is put back: $_"
    # One that failed is started again by Windows after some seconds, and holds its file.
    try { Stop-Program } catch { Write-Warning "$_" }
    Get-ChildItem -Force -LiteralPath $before | Copy-Item -Recurse -Force -Destination $Program
    Start-Service $Name
    throw
}
Get-Service $Name
