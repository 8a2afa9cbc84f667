#!/bin/sh
# test.sh TAP: what the tap reports of handshakes between openssl s_client and s_server, of which it is
# known what they are.
set -eu

tap=$1
work=$(mktemp -d)
processes=''
end() {
    # shellcheck disable=SC2086 # each is one
    kill $processes 2>/dev/null || :
    wait
    rm -rf "$work"
}
trap end EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/key" \
    -out "$work/cert" -days 2 -subj /CN=localhost 2>"$work/log" || {
    cat "$work/log" >&2
    exit 1
}

# Sets port to that of a new server with these options.
serve() {
    rm -f "$work/says"
    mkfifo "$work/says"
    openssl s_server -accept 127.0.0.1:0 -www -cert "$work/cert" -key "$work/key" "$@" \
        >"$work/says" 2>>"$work/log" &
    processes="$processes $!"
    exec 5<"$work/says"
    port=''
    while [ -z "$port" ] && read -r line <&5; do
        case $line in ACCEPT*) port=${line##*:} ;; esac
    done
}

# Has the tap do something; its answer goes to the file report.
order() {
    echo "$1" >&3
    : >"$work/report"
    while read -r line <&4 && [ "$line" != ok ]; do
        echo "$line" >>"$work/report"
    done
}

# Sets at to the port of a new tap before a new server with these options.
begin() {
    serve "$@"
    rm -f "$work/orders" "$work/answers" "$work/session"
    mkfifo "$work/orders" "$work/answers"
    "$tap" "$port" <"$work/orders" >"$work/answers" 3>&- 4>&- 5>&- &
    processes="$processes $!"
    exec 3>"$work/orders" 4<"$work/answers"
    read -r at <&4
}

# One connection, with the session of the one before if there is one. Its options may have it fail.
visit() {
    [ ! -e "$work/session" ] || set -- -sess_in "$work/session" "$@"
    printf 'GET / HTTP/1.0\r\n\r\n' |
        openssl s_client -connect "127.0.0.1:$at" -ign_eof -sess_out "$work/next" "$@" \
            >>"$work/log" 2>&1 3>&- 4>&- 5>&- || :
    [ ! -e "$work/next" ] || mv "$work/next" "$work/session"
}

# expect WHAT LINE...: of each connection, without the identity, which is there if something was offered.
expect() {
    what=$1
    shift
    order finish
    printf '%s\n' "$@" >"$work/expected"
    sed 's/^offered=none identity=- /offered=none /; s/ identity=[0-9a-f]\{16\} / /' "$work/report" \
        >"$work/told"
    if ! diff -u "$work/expected" "$work/told" >&2; then
        echo "FAILED  tap: $what" >&2
        exit 1
    fi
    echo "ok      tap: $what"
}

# expect_identities NUMBER: so many are told apart in the report, with that of no offer.
expect_identities() {
    number=$(sed 's/.*identity=\([^ ]*\).*/\1/' "$work/report" | sort -u | wc -l)
    [ "$number" = "$1" ] || {
        cat "$work/report" >&2
        echo "FAILED  tap: identities: $number, not $1" >&2
        exit 1
    }
}

for retry in '' '-groups P-384'; do
    # shellcheck disable=SC2086 # options
    begin -tls1_3 $retry
    visit && visit && visit
    # shellcheck disable=SC2086
    serve -tls1_3 $retry
    order "lead $port"
    visit
    expect "a key is seen to be taken or refused, TLS 1.3 $retry" \
        'offered=none answer=full tls=1.3 began=0 ended=0' \
        'offered=psk answer=resumed tls=1.3 began=0 ended=0' \
        'offered=psk answer=resumed tls=1.3 began=0 ended=0' \
        'offered=psk answer=full tls=1.3 began=0 ended=0'
    expect_identities 4
done

begin -tls1_2
visit && visit && visit
serve -tls1_2
order "lead $port"
visit
expect 'a ticket is seen to be taken or refused, TLS 1.2' \
    'offered=none answer=full tls=1.2 began=0 ended=0' \
    'offered=ticket answer=resumed tls=1.2 began=0 ended=0' \
    'offered=ticket answer=resumed tls=1.2 began=0 ended=0' \
    'offered=ticket answer=full tls=1.2 began=0 ended=0'
expect_identities 2 # it is one ticket all the time

begin -tls1_2 -no_ticket
visit && visit -tls1_2 && visit
serve -tls1_2 -no_ticket
order "lead $port"
visit
expect 'an id is seen to be taken or refused, TLS 1.2' \
    'offered=none answer=full tls=1.2 began=0 ended=0' \
    'offered=id answer=resumed tls=1.2 began=0 ended=0' \
    'offered=id answer=resumed tls=1.2 began=0 ended=0' \
    'offered=id answer=full tls=1.2 began=0 ended=0'

begin -tls1_3
visit -tls1_2
order refuse
visit
order listen
visit
expect 'a handshake that fails has no answer, and a connection that is refused is not counted' \
    'offered=none answer=- tls=- began=0 ended=0' \
    'offered=none answer=full tls=1.3 began=2 ended=2'
