#!/bin/sh
# Runs the examples on Asio (build/demo, made by `make cpp-examples`) against the demo's server.
set -u
cd "$(dirname "$0")/../.." || exit 2

# says EXPECTED COMMAND: what it prints, with the server running.
says() {
    said=$(timeout 600 build/demo/server sh -c "$2" 2>&1)
    if [ "$said" = "$1" ]; then
        echo "ok: $2"
    else
        printf 'FAILED: %s says:\n%s\n' "$2" "$said"
        exit 1
    fi
}

says 'full
resumed' 'build/demo/asio_client localhost ${SERVER#*:} "$CAFILE"'
says '63 of 64 resumed' 'build/demo/asio_pool localhost ${SERVER#*:} "$CAFILE" 64'
