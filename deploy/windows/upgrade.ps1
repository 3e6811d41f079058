#Requires -RunAsAdministrator
<#
.SYNOPSIS
  Replaces the program of an installed service by that of this folder; settings, state and database stay.
#>
param([string] $Name = 'dunning', [string] $Program = (Join-Path $env:ProgramFiles 'Dunning'))
$ErrorActionPreference = 'Stop'
$source = Resolve-Path (Join-Path $PSScriptRoot '..\..')

# What is under way is finished first; that takes less than ten seconds.
Stop-Service $Name
(Get-Service $Name).WaitForStatus('Stopped', '00:00:30')
$before = "$Program.before"
if (Test-Path $before) { Remove-Item -Recurse -Force $before }
Copy-Item -Recurse $Program $before
try {
    Copy-Item -Recurse -Force (Join-Path $source '*') $Program
    Start-Service $Name
}
catch {
    Copy-Item -Recurse -Force (Join-Path $before '*') $Program
    Start-Service $Name
    throw
}
Get-Service $Name
