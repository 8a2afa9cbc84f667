#!/bin/sh
# run.sh SONAME: programs record which version of a function they were linked with. Makes a library in
# which tsc_status_text has a second version with other parameters, and runs an older program with it.
set -eu

cd "$(dirname "$0")/../.."
soname=$1
work=build/versions
rm -rf $work
mkdir -p $work

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# needs PROGRAM VERSION: the program asks the dynamic linker for that version.
needs() {
    objdump -T "$1" | grep -Eq "UND.*[( ]$2[) ] *tsc_status_text\$" || fail "$1 does not need tsc_status_text of $2"
}

# says TEXT PROGRAM LIBRARY_DIR
says() {
    said=$(LD_LIBRARY_PATH=$3 "$2" 2>&1) || true
    [ "$said" = "$1" ] || fail "$2 with $3 says: $said"
}

# program NAME LIBRARY_DIR OPTION...: compiles program.c against that library.
program() {
    name=$1 library=$2
    shift 2
    ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -Iinclude "$@" -o "$work/$name" \
        tests/versions/program.c -L"$library" -ltsc
}

program old build/core
needs $work/old TSC_0.1
says done $work/old build/core

# The next release: the library, with its function renamed, and second.c.
mkdir $work/next
objcopy --redefine-sym tsc_status_text=first_tsc_status_text build/core/libtsc.a $work/next/libtsc.a
${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -fPIC -c -o $work/second.o tests/versions/second.c
ar rS $work/next/libtsc.a $work/second.o
echo 'TSC_0.2 { global: tsc_status_text; } TSC_0.1;' >$work/second.map
tools/link "$work/next/$soname" "$soname" packaging/libtsc.map $work/second.map $work/next/libtsc.a
ln -s "$soname" $work/next/libtsc.so
tools/symbols $work/next packaging/libtsc.map $work/second.map

program new $work/next -DSECOND
needs $work/new TSC_0.2
says 'second: done' $work/new $work/next
says done $work/old $work/next
echo 'An older program runs with the function that it was linked with, a newer one with the new one'

# Rather than call the old function with the new one's arguments, the newer program does not start.
LD_LIBRARY_PATH=build/core $work/new >$work/log 2>&1 && fail 'a newer program runs with the older library'
grep -q "version .TSC_0.2. not found" $work/log || fail "a newer program with the older library says: $(cat $work/log)"
echo 'A newer program does not start with the older library'
