#!/bin/sh
# others.sh: compiles tsc_openssl.h, as C11 and C++17, against OpenSSL 1.1.1, 3.x and 4.x, AWS-LC and
# BoringSSL, whatever OpenSSL the machine has. Their headers come with the source crates that Rust
# programs build them from. Needs cargo, perl, make, gcc and g++; takes half a minute the first time.
# With --fetch it only gets the crates.
set -eu

cd "$(dirname "$0")/../.."
work=build/headers
mkdir -p $work/src
: >$work/src/lib.rs
cat >$work/Cargo.toml <<'MANIFEST'
[package]
name = "headers"
version = "0.0.0"
edition = "2024"
[workspace]
[dependencies]
openssl-1 = { package = "openssl-src", version = "=111.28.2" }
openssl-3 = { package = "openssl-src", version = "=300.6.1" }
openssl-4 = { package = "openssl-src", version = "=400.0.2" }
aws-lc-sys = "=0.47.0"
boring-sys = "=5.4.0"
MANIFEST
crates=$(cargo metadata --quiet --format-version 1 --manifest-path $work/Cargo.toml |
    tr ',' '\n' | sed -n 's|^"manifest_path":"\(.*\)/Cargo.toml"$|\1|p')
[ "${1-}" != --fetch ] || exit 0
crate() { echo "$crates" | grep "/$1[^/]*\$"; }

failed=0
# compiles NAME CONDITION OPTION...: with these options finding the headers of which CONDITION holds.
compiles() {
    name=$1
    program="#if !($2)
#error these are not the headers of $name
#endif
int main() { return 0; }"
    shift 2
    strict='-Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude -Ibindings/c'
    # shellcheck disable=SC2086 # options
    if echo "$program" | gcc -std=c11 $strict "$@" -include tsc_openssl.h -x c - &&
        echo "$program" | g++ -std=c++17 $strict "$@" -include tsc_openssl.h -x c++ -; then
        echo "tsc_openssl.h compiles against $name"
    else
        echo "tsc_openssl.h does not compile against $name" >&2
        failed=1
    fi
}

for series in 111 300 400; do
    source_crate=$(crate openssl-src-$series)
    into=$work/$series
    if [ ! -e $into/done ]; then
        mkdir -p $into
        # Without what the crate leaves out.
        without='no-shared no-asm no-tests'
        [ $series = 111 ] || without="$without no-legacy no-module"
        # shellcheck disable=SC2086 # options
        (cd $into && perl "$source_crate/openssl/Configure" linux-generic64 $without &&
            make build_generated) >$into/log 2>&1 || { tail -n 5 $into/log >&2 && exit 1; }
        touch $into/done
    fi
    compiles "OpenSSL ${source_crate##*+}" "OPENSSL_VERSION_NUMBER >> 28 == ${series%??}" \
        -isystem $into/include -isystem "$source_crate/openssl/include"
done
directory=$(crate aws-lc-sys)
compiles "AWS-LC (${directory##*/})" 'defined(OPENSSL_IS_AWSLC)' -isystem "$directory/aws-lc/include"
directory=$(crate boring-sys)
compiles "BoringSSL (${directory##*/})" 'defined(OPENSSL_IS_BORINGSSL)' \
    -isystem "$directory/deps/boringssl/include"
exit $failed
