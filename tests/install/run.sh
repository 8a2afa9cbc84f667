#!/bin/sh
# Installs both builds into empty folders, looks at what is there, builds and runs consumers there in
# each of the ways in which programs find a library, moves the folder and does so again, takes it all
# back, and does the same with what `make package` makes.

set -eu
cd "$(dirname "$0")/../.."
here=$PWD/tests/install
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unset PKG_CONFIG_PATH PKG_CONFIG_LIBDIR CMAKE_PREFIX_PATH LD_LIBRARY_PATH DESTDIR PREFIX
strict='-O1 -Wall -Wextra -Wpedantic -Werror'

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

quietly() {
    "$@" >"$dir/log" 2>&1 || {
        cat "$dir/log" >&2
        fail "$*"
    }
}

# lists FOLDER EXPECTED: its files are those in the list, and each is what the list says it is. The manual is not
# in the list.
lists() {
    (cd "$1" && find . -path '*/share/doc' -prune -o -type f -printf '%P %m\n' -o -type l -printf '%P -> %l\n') |
        LC_ALL=C sort >"$dir/files"
    diff -u "$2" "$dir/files" || fail "the files in $1 (+) are not those of $2 (-)"
}

# has_manual TREE FOLDER: the pages and the examples are in that folder of the tree, and they lead to the headers and,
# like all pages of the tree, to nothing that is not there.
has_manual() {
    manual=$1/$2
    (cd docs && find . -type f ! -name '*.csv' | LC_ALL=C sort) >"$dir/pages"
    (cd "$manual/docs" && find . -type f | LC_ALL=C sort) | diff -u "$dir/pages" - &&
        cmp README.md "$manual/README.md" && cmp examples/tcp.h "$manual/examples/tcp.h" || fail "the manual in $manual"
    cmp include/tsc.h "$manual/docs/../include/tsc.h" &&
        cmp bindings/c/tsc_openssl.h "$manual/docs/../bindings/c/tsc_openssl.h" ||
        fail "the headers that the manual in $manual leads to"
    [ -z "$(find "$manual" -type f ! -perm 644)" ] || fail "permissions in $manual"
    TSC_INSTALLED=$1 quietly cargo test --quiet --features capi --test readme installed_pages
    echo "ok: ${1#"$dir/"}: the links of the manual lead somewhere"
}

# runs SAYS PROGRAM: it works, and finds the library in $library if it is a shared one.
runs() {
    said=$(LD_LIBRARY_PATH=$library "$2") || fail "$2 says: $said"
    [ "$said" = "$1" ] || fail "$2 says: $said"
}

# shared, static PROGRAM: whether it needs libtsc.so.
shared() { objdump -p "$1" | grep -q 'NEEDED *libtsc.so.0$' || fail "$1 does not need libtsc.so.0"; }
static() { ! objdump -p "$1" | grep -q 'NEEDED *libtsc' || fail "$1 needs libtsc.so"; }

# consumes FOLDER LIBRARY DEFINES WHAT: builds and runs all consumers with what is installed there. In a shell of its own:
# build scripts of crates run again when PKG_CONFIG_PATH changes, and AWS-LC would be compiled again each time.
consumes() (
    prefix=$1 library=$2 defines=$3 out=$dir/out
    rm -rf "$out"
    mkdir "$out"
    export PKG_CONFIG_PATH="$library/pkgconfig"
    pc() { pkg-config "$@" || fail "pkg-config $*"; }
    [ "$(pc --modversion tsc)" = "$version" ] || fail 'the version in tsc.pc'
    flags=$(pc --cflags --libs tsc)
    flags_static=$(pc --static --cflags --libs tsc)
    # The archive alone, beside shared system libraries; and a program without any shared library.
    flags_archive=$(echo "$flags_static" | sed 's/-ltsc\b/-l:libtsc.a/')
    ssl='-lssl -lcrypto'
    # shellcheck disable=SC2086 # flags
    {
        cc -std=c11 $strict $defines -o "$out/c" "$here/consumer.c" $flags
        cc -std=c11 $strict $defines -o "$out/c-archive" "$here/consumer.c" $flags_archive
        cc -static -std=c11 $strict $defines -o "$out/c-static" "$here/consumer.c" $flags_static
        c++ -std=c++17 $strict -o "$out/cpp" "$here/consumer.cpp" $flags $ssl
        c++ -std=c++17 $strict -o "$out/cpp-archive" "$here/consumer.cpp" $flags_archive $ssl
        # A static libcrypto says that it would load what it finds at run time; nothing of it is asked.
        c++ -static -std=c++17 $strict -o "$out/cpp-static" "$here/consumer.cpp" $flags_static $ssl \
            2>"$dir/log" || { cat "$dir/log" >&2 && fail 'a static program on OpenSSL'; }
    }
    for program in c cpp; do
        shared "$out/$program"
        static "$out/$program-archive"
        ! objdump -p "$out/$program-static" | grep -q NEEDED || fail "$program-static is not static"
    done
    for kind in '' -archive -static; do
        runs kept "$out/c$kind"
        runs attached "$out/cpp$kind"
    done
    echo "ok: $4: pkg-config finds it, for shared and static programs in C11 and C++17"

    if $has_go; then
        mkdir "$out/go-module"
        cp "$here/consumer.go" "$out/go-module/"
        # Go's cache doesn't know that pkg-config finds another library now, but other flags it notices.
        export CGO_CFLAGS="-O2 -g -DFROM=$(echo "$library" | cksum | cut -d ' ' -f 1)"
        (cd "$out/go-module" && go mod init consumer && go build -o "$out/go") >"$dir/log" 2>&1 ||
            { cat "$dir/log" >&2 && fail 'a Go program'; }
        shared "$out/go"
        runs kept "$out/go"
        echo "ok: $4: pkg-config finds it, for a program in Go"
    fi

    quietly cmake -S "$here" -B "$out/cmake" -DCMAKE_PREFIX_PATH="$prefix" \
        -DHAS_RUSTLS="$([ -z "$defines" ] || echo ON)"
    grep -q "^tsc_DIR:PATH=$library/cmake/tsc\$" "$out/cmake/CMakeCache.txt" ||
        fail 'CMake found another libtsc'
    quietly cmake --build "$out/cmake"
    for program in c cpp; do
        shared "$out/cmake/$program"
        static "$out/cmake/${program}_static"
    done
    for kind in '' _static; do
        runs kept "$out/cmake/c$kind"
        runs attached "$out/cmake/cpp$kind"
    done
    echo "ok: $4: CMake finds it, for shared and static programs in C11 and C++17"
)

# refuses VERSION: CMake does not take what is installed for that version.
refuses() {
    mkdir -p "$dir/refuses"
    printf 'cmake_minimum_required(VERSION 3.13)\nproject(it C)\nfind_package(tsc %s REQUIRED CONFIG)\n' \
        "$1" >"$dir/refuses/CMakeLists.txt"
    rm -rf "$dir/refuses/build"
    ! cmake -S "$dir/refuses" -B "$dir/refuses/build" -DCMAKE_PREFIX_PATH="$2" >"$dir/log" 2>&1 ||
        fail "find_package(tsc $1) finds $version"
    grep -q "requested version \"$1\"" "$dir/log" || { cat "$dir/log" >&2 && fail "tsc $1"; }
    echo "ok: CMake does not take $version for $1"
}

# probes PROGRAM: it looks at its own server.
probes() {
    quietly "$1" --rate 500 --pairs 5
    grep -q '^resumes: yes' "$dir/log" || fail "$1 does not say that it resumes"
    echo "ok: ${1#"$dir/"}"
}

# lends PREFIX: the agent listens where it is told, and says how it is; its unit names it.
lends() {
    grep -qx "ExecStart=$2/bin/tsc-agent" "$1/lib/systemd/user/tsc-agent.service" || fail 'the unit names another agent'
    mkdir -m 700 "$dir/lends"
    "$1/bin/tsc-agent" --socket "$dir/lends/socket" >"$dir/log" 2>&1 &
    agent=$!
    until [ -S "$dir/lends/socket" ]; do
        kill -0 $agent || { cat "$dir/log" >&2 && fail "$1/bin/tsc-agent ended"; }
        sleep 0.1
    done
    quietly "$1/bin/tsc-agent" --socket "$dir/lends/socket" status
    kill $agent
    wait $agent || true
    rm -r "$dir/lends"
    echo "ok: ${1#"$dir/"}/bin/tsc-agent"
}

# Go is not among what this test installs.
has_go=false
[ "$(go env CGO_ENABLED 2>/dev/null)" != 1 ] || has_go=true
$has_go || echo 'SKIPPED: the consumer in Go, since there is no Go with cgo'

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
header=$(awk '/define TSC_VERSION_M|define TSC_VERSION_P/ { v = v s $3; s = "." } END { print v }' include/tsc.h)
[ "$version" = "$header" ] || fail "Cargo.toml says $version, tsc.h $header"

# ---- An installed prefix, and a moved one ------------------------------------------------------------

first=$dir/first second=$dir/elsewhere/second
quietly make install PREFIX="$first"
lists "$first" tests/install/files-full.txt
has_manual "$first" share/doc/libtsc
consumes "$first" "$first/lib" -DHAS_RUSTLS 'installed'
mkdir "$dir/elsewhere"
mv "$first" "$second"
consumes "$second" "$second/lib" -DHAS_RUSTLS 'moved'
probes "$second/bin/tsc-probe"
lends "$second" "$first"
refuses 0.2 "$second"
refuses 1.0 "$second"
mv "$second" "$first"
touch "$first/include/not-ours.h"
quietly make uninstall PREFIX="$first"
[ "$(cd "$first" && find . -type f -o -type l)" = ./include/not-ours.h ] || fail 'uninstall left something'
[ ! -e "$first/lib/cmake/tsc" ] && [ ! -e "$first/include/tsc" ] && [ ! -e "$first/share/doc/libtsc" ] || fail 'uninstall left a folder'
echo 'ok: uninstall leaves nothing but what is not its own'

# ---- Without rustls, below DESTDIR, with other folders ------------------------------------------------

places="BUILD=core PREFIX=/usr LIBDIR=/usr/lib/here INCLUDEDIR=/usr/include/there DESTDIR=$dir/stage"
# shellcheck disable=SC2086 # variables
quietly make install $places
lists "$dir/stage" tests/install/files-core.txt
has_manual "$dir/stage" usr/share/doc/libtsc
# A folder that CMake does not know by itself, so it is told.
consumes "$dir/stage/usr/lib/here/cmake" "$dir/stage/usr/lib/here" '' 'without rustls, below DESTDIR'
# shellcheck disable=SC2086 # variables
quietly make uninstall $places
[ -z "$(find "$dir/stage" -type f -o -type l)" ] || fail 'uninstall left something below DESTDIR'
if make install BUILD=other PREFIX="$dir/other" >/dev/null 2>&1 || [ -e "$dir/other" ]; then
    fail 'a build that there is not was installed'
fi
echo 'ok: a build that there is not is refused'

# ---- Packages ---------------------------------------------------------------------------------------

quietly make package
mkdir "$dir/tar"
tar -C "$dir/tar" -xzf build/package/libtsc-"$version"-*.tar.gz
tree=$(echo "$dir"/tar/libtsc-*)
has_manual "$tree" share/doc/libtsc
consumes "$tree" "$tree/lib" -DHAS_RUSTLS 'the archive'
probes "$tree/bin/tsc-probe"
lends "$tree" "/${tree##*/}"
if command -v dpkg-deb >/dev/null; then
    for package in build/package/*.deb; do
        dpkg-deb -x "$package" "$dir/deb"
    done
    [ "$(dpkg-deb -f build/package/libtsc-dev_*.deb Depends)" = "libtsc0 (= $version)" ] ||
        fail 'libtsc-dev depends on another libtsc0'
    library=$(dirname "$(find "$dir/deb/usr/lib" -name libtsc.a)")
    (cd "$dir/deb" && find usr -path usr/share -prune -o \( -type f -o -type l \) -print) |
        sed "s|^${library#"$dir/deb/"}|lib|; s|^usr/include|include|; s|^usr/bin|bin|; s|^usr/lib/systemd|lib/systemd|" | LC_ALL=C sort >"$dir/packaged"
    sed '/^share/d; s/ .*//' tests/install/files-full.txt | diff -u - "$dir/packaged" ||
        fail 'the packages (+) have not what is installed (-)'
    has_manual "$dir/deb" usr/share/doc/libtsc-dev
    consumes "$dir/deb/usr" "$library" -DHAS_RUSTLS 'the Debian packages'
    probes "$dir/deb/usr/bin/tsc-probe"
    lends "$dir/deb/usr" /usr
    if command -v lintian >/dev/null; then
        # Who packages for others sets MAINTAINER, of which these two speak.
        lintian --allow-root --fail-on error,warning \
            --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog build/package/*.deb ||
            fail lintian
        echo 'ok: lintian finds nothing wrong'
    fi
fi
