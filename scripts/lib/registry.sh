# A registry for the tests of private ones: the docker-registry on PATH, else the program out of Debian's package. The
# package is not installed: that would start a registry on port 5000.

REGISTRY_FOLDER="$STATE/docker-registry"

ensure_registry() {
    JOBRUNNER_TEST_REGISTRY="$(command -v docker-registry || printf '%s\n' "$REGISTRY_FOLDER/usr/bin/docker-registry")"
    export JOBRUNNER_TEST_REGISTRY
    [ -x "$JOBRUNNER_TEST_REGISTRY" ] || timed "Fetching docker-registry, for the tests of private registries" fetch_registry
}

fetch_registry() {
    mkdir -p "$REGISTRY_FOLDER"
    (cd "$REGISTRY_FOLDER" && { download_registry || { apt_get update && download_registry; }; }) ||
        fail "The tests of private registries need Debian's docker-registry, and apt-get could not fetch it (see $APT_LOG)."
    dpkg-deb --extract "$REGISTRY_FOLDER"/docker-registry_*.deb "$REGISTRY_FOLDER"
    rm "$REGISTRY_FOLDER"/docker-registry_*.deb
}

# Not as root: it is written for us.
download_registry() { apt-get -qq download docker-registry >>"$APT_LOG" 2>&1; }
