#!/bin/sh
# crowd.sh PROGRAM: whether a call costs more if more attempts wait or are under way. Counts instructions, of
# bench/crowd.c with a thousand and with ten thousand attempts, so that no clock is asked.
set -eu

program=$1
few=1000 many=10000

instructions() {
    output=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1) || {
        echo "$output" >&2
        return 1
    }
    echo "$output" | sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

failed=''
ways=$("$program" 10 | awk '{ print $1 }')
for way in ${ways:?}; do
    a=$(instructions $few "$way")
    b=$(instructions $many "$way")
    # A search in a tree ten times as large takes a third longer, and is a small part of a call.
    if [ "$b" -gt $((a * many / few * 13 / 10)) ]; then
        verdict=FAILED failed="$failed $way"
    else
        verdict=ok
    fi
    printf '%-6s  %-24s %6d instructions for one of %d, %6d for one of %d\n' \
        $verdict "$way" $((a / few)) $few $((b / many)) $many
done
if [ -n "$failed" ]; then
    echo "a call costs more if there are more:$failed" >&2
    exit 1
fi
