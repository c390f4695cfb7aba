# The Python environment: .venv in the checkout, with jobrunner and its extras in it.

VENV="$REPO/.venv"
PYTHON="$VENV/bin/python"
PIP_LOG="$STATE/pip.log"

# Install jobrunner with these extras ("embedded,test"), unless this very state of setup.cfg is installed already.
# Editable: the checkout is what runs, so a changed file needs no new installation.
ensure_jobrunner() {
    local extras="$1"
    local stamp="$VENV/.installed-$extras" wanted
    wanted="$(cat "$REPO/setup.cfg" "$REPO/pyproject.toml" | sha256sum) $REPO"
    [ -x "$PYTHON" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
    "$PYTHON" -m pip --version >/dev/null 2>&1 || make_venv
    timed "Installing jobrunner[$extras] into ${VENV#"$PWD/"}" pip_install "$extras"
    printf '%s\n' "$wanted" >"$stamp"
}

pip_install() {
    "$PYTHON" -m pip install --editable "${REPO}[$1]" >"$PIP_LOG" 2>&1 || {
        tail -n 5 "$PIP_LOG" >&2
        fail "pip could not install jobrunner[$1] (see $PIP_LOG): see that pip reaches a package index, and try again."
    }
}

make_venv() {
    local python
    python="$(find_python)" || {
        install_python
        python="$(find_python)" ||
            fail "jobrunner needs Python 3.11 or newer with its venv module, and apt has none: install one and try again."
    }
    "$python" -m venv --clear "$VENV" ||
        fail "$python could not make $VENV: see that its folder can be written to, and try again."
}

# The first Python that is new enough and can make environments; those that have wheels for everything come first.
find_python() {
    local name
    for name in python3.11 python3.12 python3.13 python3.14 python3 /usr/bin/python3; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$name"
            return
        fi
    done
    return 1
}

# Debian keeps ensurepip in a package of its own, named after the version.
install_python() {
    local version
    version="$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo 3.0)"
    case "$version" in
        3.[0-9] | 3.10) version=3.11 ;;
    esac
    apt_install "jobrunner" "python$version" "python$version-venv"
}

# The embedded mongod is linked against libcurl, which a bare machine may not have.
ensure_mongod_runs() {
    local mongod
    mongod="$("$PYTHON" -c 'from jobrunner.cli.local.embedded import mongod_binary; print(mongod_binary())')" ||
        fail "There is no mongod in $VENV: remove that folder and try again."
    [[ "$(ldd "$mongod" 2>&1)" != *"libcurl.so.4 => not found"* ]] || apt_install "The embedded MongoDB" libcurl4
    "$mongod" --version >/dev/null 2>&1 ||
        fail "The embedded MongoDB does not run here ($("$mongod" --version 2>&1 | tail -n 1)): set JOBRUNNER_MONGODB_URL to one that runs elsewhere."
}
