#!/bin/sh
# storm.sh quick|all DIRECTORY: runs server, delay and client, which are in DIRECTORY, through the
# cases below; prints a table and keeps the numbers in DIRECTORY/quick.csv or all.csv. The last line
# is of the goal case alone. Exits with 1 if fewer than 63 of 64 connections were resumed there.
set -u

which=$1
dir=$2
here=$(dirname "$0")
csv=$dir/$which.csv
began=$(date +%s)
cases=0

cat >"$csv" <<END
client,server,tls,client_cert,tickets_full,tickets_resumed,sessions,scenario,rtt_ms,nodes,pool,\
max_wait_ms,mode,rounds,connections,resumed,resumed_min,client_cpu_ms,server_cpu_ms,up_ms,\
client_cpu_ratio,server_cpu_ratio,up_ratio,up_min_ms
END

# Says how far it is, where somebody watches.
progress() {
    [ ! -t 2 ] || printf '\r\033[K%s' "$*" >&2
}

# run CLIENT SERVER TICKETS SESSIONS SCENARIO RTT NODES POOL MODES [ROUNDS [CLIENT_OPTION...]]
run() {
    client=$1 server=$2 tickets=$3 sessions=$4 scenario=$5 rtt=$6 nodes=$7 pool=$8 modes=$9
    shift 9
    # Fewer rounds for what takes longer, so that the whole ends before one stops to look.
    rounds=${1-$((320 / (pool * nodes)))}
    [ "$rounds" -ge 1 ] || rounds=1
    [ $# -gt 0 ] || [ "$rounds" -le 5 ] || rounds=5
    [ $# -gt 0 ] || [ "$rtt,$tickets" = 0,2,1 ] || [ "$rtt,$tickets" = 0,2,2 ] ||
        [ "$rounds" -le 3 ] || rounds=3
    [ $# -eq 0 ] || shift
    cases=$((cases + 1))
    progress "case $cases, $(($(date +%s) - began)) s: $client to $server, tickets $tickets" \
        "$sessions, $scenario, $rtt ms, $nodes x $pool "
    delay=
    [ "$rtt" = 0 ] || delay="$dir/delay $rtt"
    # Not quoted: a command with its argument, or nothing.
    "$dir/server" --stack "$server" --nodes "$nodes" --tickets "$tickets" --sessions "$sessions" \
        $delay "$dir/client" --stack "$client" --scenario "$scenario" --pool "$pool" \
        --modes "$modes" --rounds "$rounds" "$@" >"$dir/case.csv"
    status=$?
    progress ''
    if [ $status -ne 0 ]; then
        echo "storm: failed: $client to $server, $tickets $sessions $scenario $rtt ms" \
            "$nodes x $pool" >&2
        exit 2
    fi
    cat "$dir/case.csv" >>"$csv"
    awk -f "$here/table.awk" "$dir/case.csv"
}

modes=none,own,burst,wait
all=$modes,reuse

# The goal: two tickets on every connection, 64 connections, one node, each ticket used once.
# Then what bounds it: OpenSSL made to send two, round trips, and one ticket for each that is used.
goal() {
    run openssl gnutls 2,2 sealed cold 0 1 64 $modes "$1"
    run openssl gnutls 2,2 sealed cold 20 1 64 none,wait,reuse 5
    run openssl openssl 2,1 sealed cold 0 1 64 none,wait,reuse 5
}

everything() {
    for client in openssl rustls; do
        for supply in 'openssl 0,0' 'openssl 1,1' 'openssl 2,1' 'gnutls 2,2' 'openssl 8,8'; do
            for size in '1 16' '1 64' '1 256' '8 16' '8 64' '8 256'; do
                # Two thousand connections cost so much that they are only made where it matters.
                case $supply,$size in *[018],'8 256') continue ;; esac
                run $client $supply sealed cold 0 $size $all
            done
        done
        for supply in 'openssl 2,1' 'gnutls 2,2'; do
            for size in '1 16' '1 64' '1 256' '8 16' '8 64'; do
                run $client $supply sealed restart 0 $size $all
                run $client $supply sealed cold 20 $size $all
            done
            for size in '1 64' '8 64'; do
                run $client $supply sealed restart 20 $size $all
            done
            run $client $supply sealed reconnect 0 1 64 $all
            run $client $supply sealed reconnect 20 1 64 $all
        done
        # How long to wait, where the supply stands still.
        for max_wait in 100 250 500; do
            run $client openssl 2,1 sealed cold 20 1 64 none,wait 3 --max-wait $max_wait
        done
        # Other ways to keep sessions, and more tickets than OpenSSL sends.
        for tickets in 2,1 2,2 8,1; do
            for sessions in sealed kept once; do
                case $tickets,$sessions in 2,1,sealed) continue ;; esac
                run $client openssl $tickets $sessions cold 0 1 64 $all
            done
        done
        for rtt in 0 20; do
            run $client openssl 2,1 sealed cold $rtt 1 64 $modes 5 --tls 1.2
        done
    done
}

awk -f "$here/table.awk" -v head=1 /dev/null
case $which in
quick) goal 15 ;;
*)
    everything
    goal 25
    ;;
esac
[ "$which" = quick ] || gnuplot -c "$here/plot.gp" "$csv" "$dir" || exit 2
echo
awk -f "$here/goal.awk" "$csv"
