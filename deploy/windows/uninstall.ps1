#Requires -RunAsAdministrator
<#
.SYNOPSIS
  Takes the service and its program away. Settings and state (ProgramData\Dunning) and the database stay.
#>
param([string] $Name = 'dunning', [string] $Program = (Join-Path $env:ProgramFiles 'Dunning'))
$ErrorActionPreference = 'Stop'
& (Join-Path $Program 'dunning.exe') service uninstall --name $Name
if ($LASTEXITCODE -ne 0) { throw "service uninstall ended with $LASTEXITCODE" }
Remove-Item -Recurse -Force $Program
