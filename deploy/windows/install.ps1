#Requires -RunAsAdministrator
<#
.SYNOPSIS
  Installs Dunning as a Windows service, from the folder that deploy/publish.sh has made (dist/win-x64).
.EXAMPLE
  .\deploy\windows\install.ps1 -ConnectionString 'Host=db;Database=dunning;Username=dunning_app;Password=...'
#>
param(
    [string] $Name = 'dunning',
    [string] $Program = (Join-Path $env:ProgramFiles 'Dunning'),
    [string] $State = (Join-Path $env:ProgramData 'Dunning'),
    [Parameter(Mandatory)] [string] $ConnectionString
)
$ErrorActionPreference = 'Stop'
$source = Resolve-Path (Join-Path $PSScriptRoot '..\..')
if (-not (Test-Path (Join-Path $source 'dunning.exe'))) { throw "dunning.exe is not in $source" }

New-Item -ItemType Directory -Force $Program, $State | Out-Null
Copy-Item -Recurse -Force (Join-Path $source '*') $Program

# Readable by administrators and by the service alone: the connection string holds a password.
$secret = Join-Path $State 'database.secret'
Set-Content -NoNewline -Path $secret -Value $ConnectionString
$config = Join-Path $State 'dunning.json'
if (-not (Test-Path $config)) {
    @{
        ConnectionStrings = @{ DunningFile = $secret }
        Database = @{ Migrate = 'false' }
        Environment = @{ File = (Join-Path $State 'environment.json') }
        Mail = @{ Pickup = (Join-Path $State 'mail') }
        Logging = @{ Format = 'json' }
    } | ConvertTo-Json | Set-Content -Encoding utf8 $config
}

$exe = Join-Path $Program 'dunning.exe'
& $exe service install --name $Name --config $config
if ($LASTEXITCODE -ne 0) { throw "service install ended with $LASTEXITCODE" }

# The service runs as its own virtual account, which exists only now.
icacls $State /inheritance:r /grant 'BUILTIN\Administrators:(OI)(CI)F' 'NT AUTHORITY\SYSTEM:(OI)(CI)F' "NT SERVICE\${Name}:(OI)(CI)M" | Out-Null
if ($LASTEXITCODE -ne 0) { throw "icacls ended with $LASTEXITCODE" }

& $exe doctor --config $config
if ($LASTEXITCODE -ne 0) { Write-Warning 'The doctor has found faults: mend them, then start the service.'; exit 1 }
Start-Service $Name
Get-Service $Name
