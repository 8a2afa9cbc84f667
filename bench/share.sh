#!/bin/sh
# share.sh SHARE: what bench/share.c measures, for TLS 1.2 and 1.3: the CPU of a resumed connection, and its
# instructions, which no other program on the machine changes.
set -eu
share=$1
counts=$(mktemp -d)
trap 'rm -rf "$counts"' EXIT

# Of connections after the first ones, so that what happens once does not count.
instructions() { # instructions VERSION hand|libtsc
    for count in 10 60; do
        valgrind --tool=callgrind --callgrind-out-file="$counts/%p" "$share" "$1" "$2" $count 2>&1 |
            sed -n 's/.*Collected : //p'
    done | awk 'NR == 1 { first = $1 } END { printf "%.0f\n", ($1 - first) / 50 }'
}

echo 'OpenSSL, client, a resumed connection: by hand, with libtsc, ratio'
for version in 1.2 1.3; do
    hand=$(instructions $version hand)
    libtsc=$(instructions $version libtsc)
    echo "$version $hand $libtsc" | awk '{ printf "TLS %s: %d and %d instructions, %.4f\n", $1, $2, $3, $3 / $2 }'
done
for version in 1.2 1.3; do
    "$share" $version
done
