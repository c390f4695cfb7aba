# A Chromium for the tests of pages: the one on PATH, else one by apt.

ensure_browser() {
    local name
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null && return
    done
    timed "Installing a browser for the tests of pages" apt_install "The tests of pages" chromium
}
