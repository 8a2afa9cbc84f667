#!/bin/sh
# run.sh STACK...: runs the C tests of tsc_openssl.h with other stacks than the machine's OpenSSL: 111 is
# OpenSSL 1.1.1, 300 the newest 3.x and 400 the newest 4.x of those that tests/headers/others.sh compiles
# with; awslc is AWS-LC, boringssl BoringSSL.
#
# They are built from the same source crates, once, into build/stacks; that takes a minute or two each,
# AWS-LC and BoringSSL some more. These two keep their assertions. Client and server are of that stack both,
# but for the servers that are programs. Needs cargo, perl, make and gcc, for the last two cmake and g++,
# and build/core.
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

# build_openssl SERIES SOURCE INTO
build_openssl() {
    options=$without
    [ "$1" = 111 ] || options="$without $newer"
    # shellcheck disable=SC2086 # options
    (cd "$3" && perl "$2/Configure" linux-"$(uname -m | sed 's/arm64/aarch64/')" $options -O1 &&
        make -j"$(nproc)" build_libs)
}

# build_boring SOURCE INTO: with gcc's doubts about what is initialized, which it makes errors, left out.
build_boring() {
    flags='-O1 -Wno-maybe-uninitialized'
    (cd "$2" && cmake -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="$flags" -DCMAKE_CXX_FLAGS="$flags" \
        -DBUILD_TESTING=OFF -DBUILD_TOOL=OFF -DDISABLE_GO=ON -DDISABLE_PERL=ON "$1" && make -j"$(nproc)" ssl crypto)
}

# What a stack cannot run, and why.
cannot() {
    case $1-$2 in
    # 1.1.1's server cannot send a ticket when it is told to.
    111-openssl_rules | 111-openssl_supply) ;;
    # Their servers can neither do that nor read a ticket's own data, and there is no SSL_dup and no BIO_f_buffer.
    # In the others, tests are skipped whose server hangs, resets or renews where a session is offered.
    awslc-openssl_attach | awslc-openssl_outcome | awslc-openssl_supply) ;;
    boringssl-openssl_attach | boringssl-openssl_outcome | boringssl-openssl_supply) ;;
    # It makes its certificates with functions that BoringSSL no longer has in libcrypto.
    boringssl-openssl_size) ;;
    *) return 1 ;;
    esac
}

failed=''
for series; do
    own=''
    case $series in
    awslc) source=$(echo "$crates" | grep '/aws-lc-sys[^/]*$')/aws-lc own=tests/stacks/boring.c ;;
    boringssl) source=$(echo "$crates" | grep '/boring-sys[^/]*$')/deps/boringssl own=tests/stacks/boring.c ;;
    *) source=$(echo "$crates" | grep "/openssl-src-$series[^/]*\$")/openssl ;;
    esac
    into=build/stacks/$series
    if [ ! -e $into/done ]; then
        echo "Building $series from ${source#"${source%/*/*}"/}"
        rm -rf $into
        mkdir -p $into
        if [ "$own" ]; then
            build_boring "$source" $into >$into.log 2>&1
        else
            build_openssl "$series" "$source" $into >$into.log 2>&1
        fi || { tail -n 20 $into.log >&2 && exit 1; }
        touch $into/done
    fi
    # BoringSSL and AWS-LC are partly in C++.
    libraries="$(find $into -name libssl.a) $(find $into -name libcrypto.a) ${own:+-lstdc++}"
    tests=''
    mkdir -p build/test/openssl-"$series"
    for test in tests/c/openssl_*.c $own; do
        name=$(basename "$test" .c)
        if cannot "$series" "$name"; then continue; fi
        # shellcheck disable=SC2086 # words
        ${CC:-cc} -std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Werror -isystem $into/include \
            -isystem "$source/include" -Iinclude -Ibindings/c -Ibuild/include -Itests/c \
            -Wno-deprecated-declarations -o build/test/openssl-"$series"/"$name" "$test" tests/c/peer.c -Lbuild/core -ltsc \
            -lcmocka $libraries -ldl -pthread
        tests="$tests $name"
    done
    # shellcheck disable=SC2086 # words
    tools/c-tests openssl-"$series" build/core $tests || failed="$failed $series"
done
[ -z "$failed" ]
