#!/bin/sh
# crowd.sh PROGRAM [WAY]: whether a call costs more if more attempts wait or are under way. Counts instructions,
# of bench/crowd.c with a thousand and with ten thousand attempts, so that no clock is asked.
set -eu

program=$1
few=1000 many=10000

if [ $# = 1 ]; then
    "$program" 10 | awk '{ print $1 }' | tools/beside sh "$0" "$program"
    exit
fi
way=$2

instructions() {
    output=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$way" 2>&1) || {
        echo "$output" >&2
        return 1
    }
    echo "$output" | sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

a=$(instructions $few)
b=$(instructions $many)
verdict=ok
# A search in a tree ten times as large takes a third longer, and is a small part of a call.
[ "$b" -le $((a * many / few * 13 / 10)) ] || verdict=FAILED
printf '%-6s  %-24s %6d instructions for one of %d, %6d for one of %d\n' \
    $verdict "$way" $((a / few)) $few $((b / many)) $many
[ $verdict = ok ] || {
    echo 'a call costs more if there are more' >&2
    exit 1
}
