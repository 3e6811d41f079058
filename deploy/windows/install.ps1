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
# The service knows no current folder.
$Program, $State = foreach ($folder in $Program, $State) { $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($folder) }
$source = Resolve-Path (Join-Path $PSScriptRoot '..\..')
if (-not (Test-Path -LiteralPath (Join-Path $source 'dunning.exe'))) { throw "dunning.exe is not in $source" }
if (Get-Service $Name -ErrorAction SilentlyContinue) { throw "the service $Name is there already: upgrade.ps1 replaces its program" }

# Anybody may make folders in ProgramData. One that was made beforehand is its maker's, who could read, or swap, what is written there.
$administrators = New-Object System.Security.Principal.SecurityIdentifier 'S-1-5-32-544'
$system = New-Object System.Security.Principal.SecurityIdentifier 'S-1-5-18'
$isNew = -not (Test-Path -LiteralPath $State)
if (-not $isNew) {
    $folder = Get-Item -Force -LiteralPath $State
    $owner = (Get-Acl -LiteralPath $State).GetOwner([System.Security.Principal.SecurityIdentifier]).Value
    if (-not $folder.PSIsContainer -or ($folder.Attributes -band [System.IO.FileAttributes]::ReparsePoint)) { throw "$State is no folder, or leads elsewhere: take it away" }
    if ($owner -notin $administrators.Value, $system.Value) { throw "$State belongs to $owner, and not to Administrators or SYSTEM: look what is in it, then take it away" }
}
New-Item -ItemType Directory -Force $Program, $State | Out-Null

# Administrators and SYSTEM alone, before anything secret is there. The service comes when it has an account.
$rights = New-Object System.Security.AccessControl.DirectorySecurity
$rights.SetOwner($administrators)
$rights.SetAccessRuleProtection($true, $false)
foreach ($who in $administrators, $system) {
    $rights.AddAccessRule((New-Object System.Security.AccessControl.FileSystemAccessRule $who, 'FullControl', 'ContainerInherit, ObjectInherit', 'None', 'Allow'))
}
Set-Acl -LiteralPath $State -AclObject $rights
if ($isNew -and (Get-ChildItem -Force -LiteralPath $State)) { throw "somebody has put files into $State while it was made: look at them, then take it away" }

Get-ChildItem -Force -LiteralPath $source | Copy-Item -Recurse -Force -Destination $Program

# The connection string holds a password. A file that is made anew has the folder's rights. Windows PowerShell would write it in the machine's code page, and the program reads UTF-8.
$secret = Join-Path $State 'database.secret'
if (Test-Path -LiteralPath $secret) { Remove-Item -Force -LiteralPath $secret }
[System.IO.File]::WriteAllText($secret, $ConnectionString)
$config = Join-Path $State 'dunning.json'
if (Test-Path -LiteralPath $config) {
    # What stood in the folder before it was closed may be anybody's.
    $owner = (Get-Acl -LiteralPath $config).GetOwner([System.Security.Principal.SecurityIdentifier]).Value
    if ($owner -notin $administrators.Value, $system.Value) { throw "$config belongs to $owner, and not to Administrators or SYSTEM: look what is in it, then take it away" }
}
else {
    $settings = @{
        ConnectionStrings = @{ DunningFile = $secret }
        Database = @{ Migrate = 'false' }
        Environment = @{ File = (Join-Path $State 'environment.json') }
        Mail = @{ Pickup = (Join-Path $State 'mail') }
        Logging = @{ Format = 'json' }
    }
    [System.IO.File]::WriteAllText($config, (ConvertTo-Json $settings))
}

$exe = Join-Path $Program 'dunning.exe'
& $exe service install --name $Name --config $config
if ($LASTEXITCODE -ne 0) { throw "service install ended with $LASTEXITCODE" }

# The service runs as its own virtual account, which exists only now.
icacls $State /grant "NT SERVICE\${Name}:(OI)(CI)M" | Out-Null
if ($LASTEXITCODE -ne 0) { throw "icacls ended with $LASTEXITCODE" }

& $exe doctor --config $config
if ($LASTEXITCODE -ne 0) { Write-Warning 'The doctor has found faults: mend them, then start the service.'; exit 1 }
Start-Service $Name
Get-Service $Name
