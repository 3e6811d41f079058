#!/usr/bin/env bash
# Publishes single files that need no .NET on the machine: dist/RID/dunning, with settings, the demo's book and what deploys it beside it.
# Without arguments: linux-x64, win-x64 and linux-arm64, where the package feed has their packs; with names, those. Exit code 1 when one that was named can't be had.
set -euo pipefail
cd "$(dirname "$0")/.."
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(linux-x64 win-x64 linux-arm64)
status=0
for target in "${targets[@]}"; do
  out="dist/$target"
  rm -rf "$out"
  log=$(mktemp)
  # ReadyToRun needs a pack of its own; without it the program is smaller and compiles what it runs.
  if dotnet publish Dunning.Worker -c Release -r "$target" --self-contained -o "$out" -v q \
      -p:PublishSingleFile=true -p:IncludeNativeLibrariesForSelfExtract=true -p:EnableCompressionInSingleFile=true \
      -p:DebugType=embedded -p:SatelliteResourceLanguages=en -p:RunAnalyzers=false > "$log" 2>&1; then
    program=dunning
    case "$target" in win-*) program=dunning.exe; mv "$out/Dunning.Worker.exe" "$out/$program" ;; *) mv "$out/Dunning.Worker" "$out/$program" ;; esac
    mkdir -p "$out/docs"; cp docs/*.md "$out/docs/"
    rm -f "$out"/*.pdb "$out"/web.config "$out"/*.staticwebassets.*.json
    case "$target" in
      win-*) mkdir -p "$out/deploy"; cp -r deploy/windows deploy/postgres deploy/grafana "$out/deploy/" ;;
      *) mkdir -p "$out/deploy"; cp -r deploy/systemd deploy/nginx deploy/postgres deploy/grafana "$out/deploy/" ;;
    esac
    echo "$out/$program: $(du -h "$out/$program" | cut -f1), $(file -b "$out/$program" 2> /dev/null | cut -d, -f1-2 || true)"
  elif grep -qE 'NU110[1-3]|NETSDK1184|NETSDK1094|NETSDK1112' "$log"; then
    echo "$target: the package feed has no runtime packs for it: not published ($(grep -oE '(NU|NETSDK)[0-9]+' "$log" | head -1))" >&2
    rm -rf "$out"
    [ $# -eq 0 ] || status=1
  else
    cat "$log" >&2
    status=1
  fi
  rm -f "$log"
done
exit $status
