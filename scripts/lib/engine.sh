# The Docker Engine: the one that answers, else the one on PATH, else one by apt. And the small image.

DOCKERD_LOG="$STATE/dockerd.log"
DOCKERD_START_SECONDS=60
LOCAL_IMAGE=jobrunner/busybox:local

STANDARD_HOST=unix:///var/run/docker.sock

# What names the services of the tests is no setting of jobrunner.
engine() (
    unset "${!JOBRUNNER_TEST_@}"
    exec "$PYTHON" "$REPO/scripts/lib/engine.py" "$@"
)

# See to it that an Engine answers, starting one if need be. An Engine elsewhere is not ours to start.
ensure_engine() {
    local host version
    # The address that the Docker command line would take counts here too, where jobrunner has none of its own.
    [ -z "${DOCKER_HOST:-}" ] || export JOBRUNNER_DOCKER_HOST="${JOBRUNNER_DOCKER_HOST:-$DOCKER_HOST}"
    host="$(engine host)" || exit 1
    if version="$(engine version 2>&1)"; then
        say "Docker Engine $version answers on $host"
        return
    fi
    [ "$host" = "$STANDARD_HOST" ] ||
        fail "$version. Start it, or unset DOCKER_HOST and docker_host to have one on this machine."
    case "$version" in
        *ermission*)
            fail "The Docker Engine does not let $(id -un) in: add the user to the group docker and log in again, or use sudo." ;;
    esac
    as_root true || fail "There is no Docker Engine, and only root can start one: run this as root, or install sudo."
    with_sbin command -v dockerd >/dev/null || timed "Installing the Docker Engine" install_dockerd
    timed "Starting the Docker Engine" start_engine
}

with_sbin() { PATH="$PATH:/usr/sbin:/sbin" "$@"; }

install_dockerd() {
    # iptables is only recommended by docker.io, and dockerd does not start without it.
    apt_install "jobrunner" docker.io iptables
}

start_engine() {
    if [ -d /run/systemd/system ]; then
        as_root systemctl start docker ||
            fail "systemd could not start the Docker Engine: see journalctl -u docker, and try again."
    elif ! dockerd_is_starting; then
        start_dockerd
    fi
    await_engine
}

# Where packages may start their services without systemd, apt has started it.
dockerd_is_starting() { [ -s /var/run/docker.pid ] && [ -d "/proc/$(cat /var/run/docker.pid)" ]; }

start_dockerd() {
    as_root rm -f "$STATE/dockerd.pid"
    # In a session of its own: Ctrl-C in this terminal must not end containers. The socket is for our user too.
    as_root env PATH="$PATH:/usr/sbin:/sbin" setsid --wait dockerd --host="$STANDARD_HOST" --group="$(id -gn)" \
        --pidfile="$STATE/dockerd.pid" >"$DOCKERD_LOG" 2>&1 </dev/null 9>&- &
    DOCKERD_STARTER=$!
}

await_engine() {
    local deadline=$((SECONDS + DOCKERD_START_SECONDS))
    until engine version >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$deadline" ] || ! starter_lives; then
            tail -n 3 "$DOCKERD_LOG" >&2 || true
            fail "The Docker Engine does not start here (see $DOCKERD_LOG): run this where containers may be run, or set DOCKER_HOST to an Engine elsewhere."
        fi
        sleep 0.3
    done
    [ -z "${DOCKERD_STARTER:-}" ] || remember_process dockerd "$(cat "$STATE/dockerd.pid")"
}

starter_lives() { [ -z "${DOCKERD_STARTER:-}" ] || kill -0 "$DOCKERD_STARTER" 2>/dev/null; }

# End the Engine, if it was us who started it.
stop_engine() {
    stop_process dockerd 30 && say "The Docker Engine that was started here has stopped"
}

# A small image without any registry: busybox in an empty file system.
ensure_local_image() {
    engine has-image "$LOCAL_IMAGE" && return
    static_busybox >/dev/null || apt_install "The small image $LOCAL_IMAGE" busybox-static
    engine build-image "$LOCAL_IMAGE" "$(static_busybox)" ||
        fail "The image $LOCAL_IMAGE could not be made: name another one in JOBRUNNER_QUICKSTART_IMAGE."
    say "Image $LOCAL_IMAGE made from $(static_busybox)"
}

static_busybox() {
    local path
    path="$(command -v busybox)" && ! ldd "$path" >/dev/null 2>&1 && printf '%s\n' "$path"
}
