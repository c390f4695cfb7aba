# A C compiler, for the few lines by which tests set the clock of a process: the one on PATH, else a small one.

ensure_compiler() {
    command -v cc gcc clang tcc >/dev/null || apt_install "Setting the clocks of a farm's processes" tcc libc6-dev
}
