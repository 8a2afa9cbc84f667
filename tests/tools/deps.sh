#!/bin/sh
# Nothing is installed on somebody's machine unless they said so: tools/deps, and the makefiles that call
# it, on a machine that is made up. There `cc` does not work before apt-get has installed it.
set -u

cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/bin" "$dir/no-apt"
unset CI MAKEFLAGS MAKELEVEL
export FAKE="$dir"

fake() { # fake NAME: a command of the made-up machine, from standard input
    { echo '#!/bin/sh' && cat; } >"$dir/bin/$1"
    chmod +x "$dir/bin/$1"
}
fake cc <<'SH'
[ -e "$FAKE/installed" ]
SH
fake apt-get <<'SH'
echo "apt-get $*" >>"$FAKE/log"
case $* in *install*) touch "$FAKE/installed" ;; esac
SH
fake sudo <<'SH'
echo "sudo $*" >>"$FAKE/log"
[ -z "${SUDO_REFUSES-}" ] || exit 1
[ "$1" != -n ] || shift
exec "$@"
SH
fake id <<'SH'
echo "$USER_ID"
SH
fake systemd-detect-virt <<'SH'
[ "$CONTAINER" = yes ]
SH
# The tools that tools/deps is made of, and no apt-get.
for tool in sh dirname sed cut sort head tr paste grep; do
    ln -s "$(command -v $tool)" "$dir/no-apt/$tool"
done
ln -s "$dir/bin/cc" "$dir/bin/id" "$dir/no-apt/"
fake cargo <<'SH'
echo 'cargo 1.999.0 (made up)'
SH
mv "$dir/bin/cargo" "$dir/no-apt/"
fake old-cargo <<'SH'
echo 'cargo 1.60.0 (made up)'
SH
real_path=$PATH

failures=0
# begin NAME UID CONTAINER: the machine as it was before anything was installed.
begin() {
    name=$1 USER_ID=$2 CONTAINER=$3
    export USER_ID CONTAINER
    PATH="$dir/bin:$real_path"
    rm -f "$dir/installed"
    : >"$dir/log"
}
# Runs a command with nobody to answer, or at a terminal with an answer typed ahead.
alone() {
    "$@" >"$dir/said" 2>&1 </dev/null
    status=$?
}
terminal() { # terminal ANSWER COMMAND
    printf '%s\n' "$1" | timeout 600 script -qec "$2" /dev/null >"$dir/said" 2>&1
    status=$?
}
# finish STATUS LOG SAID...: the exit status, what was run as root (a pattern for all of it; '' for
# nothing), and patterns of what was said. A pattern with "not " before it must not be there.
finish() {
    problem=''
    [ $status -eq "$1" ] || problem="its exit status is $status and should be $1"
    ran=$(paste -sd ';' "$dir/log")
    echo "$ran" | grep -Eqx -- "$2" || problem="it ran: $ran"
    shift 2
    for pattern; do
        case $pattern in
        'not '*) ! grep -Eq -- "${pattern#not }" "$dir/said" || problem="it says: ${pattern#not }" ;;
        *) grep -Eq -- "$pattern" "$dir/said" || problem="it does not say: $pattern" ;;
        esac
    done
    if [ -z "$problem" ]; then
        echo "ok: $name"
    else
        echo "FAILED: $name: $problem"
        sed 's/^/    /' "$dir/said"
        failures=$((failures + 1))
    fi
}
# one PATTERN: that is said in one line, no more and no less.
one() { [ "$(grep -Ec -- "$1" "$dir/said")" = 1 ] || status=99; }

update='apt-get update -qq' install='apt-get install .* gcc libc6-dev'
by_sudo="sudo $update;$update;sudo env .* $install ?;$install ?"
by_sudo_n="sudo -n $update;$update;sudo -n env .* $install ?;$install ?"
question='\[Y/n\]'

begin 'what is there is not talked about' 1000 no
touch "$dir/installed"
alone tools/deps build
[ ! -s "$dir/said" ] || status=99
finish 0 ''

begin 'without a terminal it names what is missing, and the command, in one line' 1000 no
alone tools/deps build
one .
finish 1 '' 'C compiler.*: sudo apt-get install gcc libc6-dev$'

begin 'without apt-get it names what is missing, in one line' 1000 no
PATH=$dir/no-apt
alone tools/deps build
PATH=$real_path
one .
finish 1 '' "C compiler.*package manager"

begin 'at a terminal it asks, and "n" is an answer' 1000 no
terminal n 'tools/deps build'
finish 1 '' "$question" 'sudo apt-get install gcc libc6-dev'

begin 'at a terminal, Enter is a yes' 1000 no
terminal '' 'tools/deps build'
finish 0 "$by_sudo" "$question"

begin 'root at a terminal is asked, too' 0 no
terminal n 'tools/deps build'
finish 1 '' "$question" 'not sudo'

begin 'root in a container is not asked' 0 yes
terminal n 'tools/deps build'
finish 0 "$update;$install ?" "not $question"

begin 'root without a terminal is not asked' 0 no
alone tools/deps build
finish 0 "$update;$install ?" "not $question"

begin 'a user in a container is not root' 1000 yes
alone tools/deps build
finish 1 ''

begin 'CI=true goes on' 1000 no
alone env CI=true tools/deps build
finish 0 "$by_sudo_n"

begin 'CI=true, with a sudo that wants a password, names it' 1000 no
alone env CI=true SUDO_REFUSES=1 tools/deps build
finish 1 "sudo -n $update" 'sudo apt-get install gcc libc6-dev$'

begin 'a Rust that is too old is named with the one that is needed' 1000 no
alone env CARGO=old-cargo tools/deps build
finish 1 '' "^Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer .*1\.60\.0"

begin "Debian's own Rust is installed where it is new enough" 1000 no
touch "$dir/installed"
printf 'ID=debian\nVERSION_ID="13"\n' >"$dir/os-release"
alone env CARGO=no-cargo OS_RELEASE="$dir/os-release" tools/deps build
finish 1 '' 'Rust .*: sudo apt-get install cargo rustc$'

begin "Debian's own Rust is not named where it is too old" 1000 no
touch "$dir/installed"
printf 'ID=debian\nVERSION_ID="12"\n' >"$dir/os-release"
alone env CARGO=no-cargo OS_RELEASE="$dir/os-release" tools/deps build
finish 1 '' '^Rust .* is missing: https' 'not apt-get'

begin 'make build does not install' 1000 no
alone make build
finish 2 '' 'C compiler.*: sudo apt-get install gcc libc6-dev$'

begin 'make demo asks once' 1000 no
terminal n 'make demo'
one "$question"
finish 2 ''

begin 'make test asks before all else' 1000 no
terminal n 'make test'
one "$question"
finish 2 '' 'not ==='

begin 'make deps-build has been asked for' 1000 no
alone make deps-build
finish 0 "$by_sudo_n" "not $question"

[ $failures = 0 ]
