#!/bin/sh
# workers.sh WORKER AGENT: processes that connect once each, 64 at once and then 1000 one after the
# other, without and with tsc-agent between them, to the server of the demo, which runs this. It issues two
# tickets, and one more on a resumed connection. Fails unless one full handshake serves all.

set -u
worker=$1
agent=$2
at_once=${AT_ONCE:-64}
in_turn=${IN_TURN:-1000}
dir=$(mktemp -d) || exit 2
running=
trap 'kill $running 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 2' INT TERM

port=${SERVER##*:}

# burst HOW_MANY AT_ONCE: runs workers, and says what became of them.
burst() {
    began=$(date +%s%N)
    seq "$1" | xargs -P "$2" -I{} "$worker" "$SERVER_NAME" "$port" "$CAFILE" 60000 >"$dir/burst"
    took=$((($(date +%s%N) - began) / 1000000))
    full=$(grep -c full "$dir/burst")
    resumed=$(grep -c resumed "$dir/burst")
    cpu=$(awk '{ sum += $2 } END { printf "%.0f", sum / NR }' "$dir/burst")
    printf '%-16s %5d at once of %5d: %5d full, %5d resumed, %6d us of CPU each, %7d ms in all\n' \
        "$how" "$2" "$1" "$full" "$resumed" "$cpu" "$took"
}

how='each by itself'
unset TSC_AGENT
burst "$at_once" "$at_once"
burst "$in_turn" 1
how='with tsc-agent'
TSC_AGENT=$dir/agent
export TSC_AGENT
"$agent" --max-full-handshakes 1 2>/dev/null &
running=$!
until "$agent" status >/dev/null 2>&1; do sleep 0.05; done
burst "$at_once" "$at_once"
[ "$full" -eq 1 ] && [ "$resumed" -eq $((at_once - 1)) ] || failed=yes
burst "$in_turn" 1
[ "$full" -eq 0 ] && [ "$resumed" -eq "$in_turn" ] || failed=yes
if [ -n "${failed-}" ]; then
    echo "workers: not all resumed; what the agent says:"
    "$agent" status | grep -v '^#'
    exit 1
fi
echo 'workers: one full handshake served all'
