#!/bin/sh
# agent.sh BENCH AGENT: runs bench/agent.c with an agent of its own.
set -eu
dir=$(mktemp -d)
"$2" --socket "$dir/agent" 2>/dev/null &
agent=$!
trap 'kill $agent; rm -rf "$dir"' EXIT
until "$2" status --socket "$dir/agent" >/dev/null 2>&1; do sleep 0.05; done
"$1" "$dir/agent"
