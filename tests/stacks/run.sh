#!/bin/sh
# run.sh SERIES...: runs the C tests of tsc_openssl.h with other OpenSSLs than the machine's: 111 is
# 1.1.1, 300 the newest 3.x and 400 the newest 4.x of those that tests/headers/others.sh compiles with.
#
# They are built from the same source crates, once, into build/stacks; that takes a minute or two each.
# Client and server are of that OpenSSL both, but for the servers that are programs. Needs cargo, perl,
# make and gcc, and build/core.
set -eu

cd "$(dirname "$0")/../.."
manifest=build/headers/Cargo.toml
[ -e $manifest ] || sh tests/headers/others.sh --fetch
crates=$(cargo metadata --quiet --format-version 1 --manifest-path $manifest |
    tr ',' '\n' | sed -n 's|^"manifest_path":"\(.*\)/Cargo.toml"$|\1|p')

# What no test uses, and what takes long to compile.
without='no-shared no-tests no-idea no-camellia no-aria no-seed no-rc2 no-rc4 no-rc5 no-bf no-cast no-md4
    no-mdc2 no-whirlpool no-rmd160 no-sm2 no-sm3 no-sm4 no-siphash no-srp no-cms no-ts no-gost no-engine no-dsa'
newer='no-legacy no-module no-apps no-docs no-cmp no-ml-dsa no-slh-dsa no-http'

failed=''
for series; do
    source=$(echo "$crates" | grep "/openssl-src-$series[^/]*\$")/openssl
    into=build/stacks/$series
    if [ ! -e $into/done ]; then
        echo "Building OpenSSL ${source#*+}" | sed 's|/openssl$||'
        rm -rf $into
        mkdir -p $into
        options=$without
        [ "$series" = 111 ] || options="$without $newer"
        # shellcheck disable=SC2086 # options
        (cd $into && perl "$source/Configure" linux-"$(uname -m | sed 's/arm64/aarch64/')" $options -O1 &&
            make -j"$(nproc)" build_libs) >$into.log 2>&1 || { tail -n 20 $into.log >&2 && exit 1; }
        touch $into/done
    fi
    tests=''
    mkdir -p build/test/openssl-"$series"
    for test in tests/c/openssl_*.c; do
        test=$(basename "$test" .c)
        # 1.1.1's server cannot send a ticket when it is told to.
        case $series-$test in 111-openssl_rules | 111-openssl_supply) continue ;; esac
        ${CC:-cc} -std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Werror -isystem $into/include \
            -isystem "$source/include" -Iinclude -Ibindings/c -Ibuild/include -Itests/c \
            -Wno-deprecated-declarations -o build/test/openssl-"$series"/"$test" tests/c/"$test".c tests/c/peer.c -Lbuild/core -ltsc \
            -lcmocka $into/libssl.a $into/libcrypto.a -ldl -pthread
        tests="$tests $test"
    done
    # shellcheck disable=SC2086 # words
    tools/c-tests openssl-"$series" build/core $tests || failed="$failed $series"
done
[ -z "$failed" ]
