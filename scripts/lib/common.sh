# What all scripts have in common: words for the person who waits, root rights, apt, and the folder for our own state.
# Sourced by the scripts; they set -euo pipefail.

REPO="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
STATE="$REPO/.state"
APT_LOG="$STATE/apt.log"

# Some machines have it set; a farm is many processes, and each would compile all of jobrunner when it starts.
unset PYTHONDONTWRITEBYTECODE

say() { printf '%s\n' "$*"; }

# A step that failed: what, why, what to do, in one sentence.
fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Run a step that takes a while, with its name before and its time after it.
timed() {
    local name="$1" began=$SECONDS
    shift
    say "$name"
    "$@"
    say "  done in $((SECONDS - began)) s"
}

# Run a command as root: as we are, or by sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        return 1
    fi
}

# Install Debian packages. $1: what they are for, for the message.
apt_install() {
    local purpose="$1"
    shift
    command -v apt-get >/dev/null ||
        fail "$purpose needs $*, and this machine has no apt-get to install it: install it by hand and try again."
    say "Installing $* by apt"
    apt_get install "$@" || { apt_get update && apt_get install "$@"; } ||
        fail "$purpose needs $*, and apt-get could not install it (see $APT_LOG): install it by hand and try again."
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" >>"$APT_LOG" 2>&1
}

# A process is told from another by its id and its start time: an id alone is used again. One that has ended and only
# waits to be reaped is none.
process_identity() { # PID
    local stat fields
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # proc(5): after the name, in brackets, come the state, and as the 20th the start time.
    read -r -a fields <<<"${stat##*) }"
    [ "${fields[0]}" != Z ] && printf '%s %s\n' "$1" "${fields[19]}"
}

remember_process() { process_identity "$2" >"$STATE/$1.process"; } # NAME PID

# Print the id of a process that we started earlier, if it still runs.
remembered_process() { # NAME
    local identity
    identity="$(cat "$STATE/$1.process" 2>/dev/null)" || return 1
    [ "$(process_identity "${identity%% *}" 2>/dev/null)" = "$identity" ] && printf '%s\n' "${identity%% *}"
}

# Ask a process that we started to end, and wait for it.
stop_process() { # NAME SECONDS
    local pid deadline=$((SECONDS + $2))
    pid="$(remembered_process "$1")" || return 1
    send TERM "$pid"
    while remembered_process "$1" >/dev/null; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            say "The $1 (process $pid) does not end within $2 s: killing it"
            send KILL "$pid"
            break
        fi
        sleep 0.1
    done
    rm -f "$STATE/$1.process"
}

# By the shell's own kill: the program of that name is not on every machine.
send() { # SIGNAL PID
    kill "-$1" "$2" 2>/dev/null || as_root sh -c "kill -$1 $2"
}

# Only one script at a time may set up or stop what they share.
lock_setup() {
    mkdir -p "$STATE" || fail "The folder $STATE cannot be made: run this as the owner of $REPO."
    exec 9>"$STATE/lock"
    flock -n 9 || { say "Another set-up is under way; waiting for it"; flock 9; }
}

unlock_setup() { exec 9>&-; }
