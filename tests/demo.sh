#!/bin/sh
# Runs the examples and the demo (build/demo, made by `make examples`): against the server of the
# demo, where everything has to resume, and against servers with which something is wrong, where the
# demo has to say what it is.

set -u
cd "$(dirname "$0")/.." || exit 2
server=build/demo/server
client=build/demo/client
dir=$(mktemp -d) || exit 2
peer=
failures=0
unset SERVER SERVER_NAME CAFILE CONNECTIONS
trap 'stop_peer; rm -rf "$dir"' EXIT
trap 'exit 2' INT TERM

# Runs a command and keeps what it says.
run() {
    "$@" >"$dir/output" 2>&1
    status=$?
}

# expect STATUS LINE...: what the latest run must have come to. Each LINE is a pattern (grep -E); the
# last of them is for the last line of output.
expect() {
    problem=
    [ "$status" -eq "$1" ] || problem="exit status is $status and should be $1"
    shift
    for line in "$@"; do
        grep -Eq -- "$line" "$dir/output" || problem="no line has: $line"
    done
    [ $# -eq 0 ] || tail -n 1 "$dir/output" | grep -Eq -- "$line" ||
        problem="the last line does not have: $line"
    if [ -z "$problem" ]; then
        echo "ok: $test"
    else
        echo "FAILED: $test: $problem"
        sed 's/^/    /' "$dir/output"
        failures=$((failures + 1))
    fi
}

# Starts `openssl s_server` with the options given, and says in $SERVER where it is.
start_peer() {
    mkfifo "$dir/peer"
    openssl s_server -accept 127.0.0.1:0 -cert "$dir/cert.pem" -key "$dir/key.pem" -www "$@" \
        >"$dir/peer" 2>/dev/null </dev/null &
    peer=$!
    exec 3<"$dir/peer"
    SERVER=
    while [ -z "$SERVER" ] && read -r word address <&3; do
        [ "$word" = ACCEPT ] && SERVER=$address
    done
    rm "$dir/peer"
    export SERVER
}

stop_peer() {
    if [ -n "$peer" ]; then
        kill "$peer"
        wait "$peer" 2>/dev/null
        exec 3<&-
        peer=
    fi
}

for example in openssl_client rustls_client gnutls_client; do
    test="$example does a full handshake and then resumes"
    run "$server" sh -c "build/demo/$example localhost \${SERVER#*:} \"\$CAFILE\""
    full=full
    [ "$example" != openssl_client ] || full='full, reason 1'
    [ "$(cat "$dir/output")" = "$full
resumed" ] || status=1
    expect 0 resumed
done

test="all connections of a pool but the first resume"
run "$server" sh -c 'build/demo/pool_client localhost ${SERVER#*:} "$CAFILE" 32'
expect 0 '^31 of 32 resumed$'

test="with a server of its own everything resumes"
CONNECTIONS=20 run "$server" "$client" --echo
expect 0 '^OpenSSL [0-9.a-z]+ +1\.2 +20 +19 ' '^OpenSSL [0-9.a-z]+ +1\.3 +20 +19 ' \
    '^rustls [0-9.]+ +1\.2 +20 +19 ' '^rustls [0-9.]+ +1\.3 +20 +19 ' '^demo: resumed 76/76$'

test="the exit status is the command's"
run "$server" sh -c 'echo done; exit 7'
expect 7 '^done$'

# What reads its output waits until the server is gone too.
test="the server ends with its command, and removes its file"
SERVER=$("$server" sh -c 'echo "$SERVER"; test -s "$CAFILE" && echo "$CAFILE" >&2' 2>"$dir/cafile")
export SERVER
run test ! -e "$(cat "$dir/cafile")"
test -s "$dir/cafile" || status=9
expect 0

test="a server that does not listen is named as the trouble"
run "$client"
expect 1 'no connection: Connection refused' 'Is the server running' '^demo: resumed 0/'
unset SERVER

test="a certificate of another CA is not accepted"
run "$server" sh -c 'cp "$CAFILE" "$1"' - "$dir/other.pem"
run "$server" sh -c 'CAFILE=$1 CONNECTIONS=3 exec "$2" --echo' - "$dir/other.pem" "$client"
expect 1 'OpenSSL .* 1\.2 .*certificate not accepted' \
    'OpenSSL .* 1\.3 .*certificate not accepted' 'rustls .* 1\.2 .*certificate not accepted' \
    'rustls .* 1\.3 .*certificate not accepted' '^CAFILE has to' '^demo: resumed 0/8$'

test="a certificate with another name is not accepted"
run "$server" sh -c 'SERVER_NAME=elsewhere.test CONNECTIONS=3 exec "$1" --echo' - "$client"
expect 1 'OpenSSL .*certificate not accepted' 'rustls .*certificate not accepted' \
    '^demo: resumed 0/8$'

test="a SERVER without a port is refused"
SERVER=localhost run "$client"
expect 2 'SERVER has to be host:port' '^usage: '

test="a CAFILE that is not there is refused"
SERVER=localhost:1 CAFILE=$dir/nowhere run "$client"
expect 2 'CAFILE cannot be read' '^usage: '

test="a CAFILE that is no PEM cannot be set up"
SERVER=localhost:1 CAFILE=$0 run "$client"
expect 1 'OpenSSL .* 1\.2 .*not set up: ' 'rustls .* 1\.3 .*not set up: ' '^CAFILE has to be a PEM' \
    '^demo: resumed 0/'

printf '%s\n' '[req]' 'distinguished_name=dn' '[dn]' >"$dir/openssl.cnf"
openssl req -x509 -config "$dir/openssl.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 1 \
    -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null || exit 2
export CAFILE="$dir/cert.pem" SERVER_NAME=localhost CONNECTIONS=5

test="with a server of the user's everything resumes"
start_peer
run "$client"
expect 0 '^demo: resumed 16/16$'
stop_peer

for version in -tls1_2 -tls1_3; do
    test="curl_client does a full handshake and then resumes: $version"
    start_peer $version
    run build/demo/curl_client localhost "${SERVER##*:}" "$CAFILE"
    [ "$(cat "$dir/output")" = "full
resumed" ] || status=1
    expect 0 resumed
    stop_peer
done

test="a server of TLS 1.3 without tickets is found out"
start_peer -tls1_3 -num_tickets 0
run "$client"
expect 1 'OpenSSL .* 1\.2 .*not spoken by this server' 'OpenSSL .* 1\.3 .*issues no tickets' \
    'rustls .* 1\.2 .*not spoken by this server' 'rustls .* 1\.3 .*issues no tickets' \
    '^demo: resumed 0/8$'
stop_peer

test="a server of TLS 1.2 without sessions is found out"
start_peer -tls1_2 -no_ticket -no_cache
run "$client"
expect 1 'OpenSSL .* 1\.2 .*issues no sessions' 'OpenSSL .* 1\.3 .*not spoken by this server' \
    'rustls .* 1\.2 .*issues no sessions' 'rustls .* 1\.3 .*not spoken by this server' \
    '^demo: resumed 0/8$'
stop_peer

test="a server of TLS 1.2 with sessions by id alone resumes them"
start_peer -tls1_2 -no_ticket
run "$client"
expect 0 'TLS' '^demo: resumed 8/8$'
stop_peer

test="a server that requires client certificates fails every connection"
start_peer -Verify 1
run "$client"
expect 1 'OpenSSL .* 1\.2 .*failed' 'OpenSSL .* 1\.3 .*failed' 'rustls .* 1\.2 .*failed' \
    'rustls .* 1\.3 .*failed' '^demo: resumed 0/16$'
stop_peer

[ "$failures" -eq 0 ]
