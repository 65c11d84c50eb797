# What compiles for other systems on Debian; .ci/windows, .ci/macos, .ci/release and tests/windows/run read
# it in, from the project's folder.
#
# The standard libraries for them are built from the source that Debian has beside its own compiler, so
# that Debian's packages are all it takes: rustup's toolchains don't bring those libraries along. The cargo
# in use stays the one in PATH.

# The compiler, and the source of its library.
rust_packages=(rustc-web rust-web-src)
# The same with a linker and a C compiler (for aws-lc).
windows_packages=("${rust_packages[@]}" gcc-mingw-w64-x86-64-win32)

# A folder of its own for each: a cargo that changed its compiler would build all of target/ anew.
windows_target=target/windows
macos_target=target/macos

# Installs what is missing of these Debian packages, or says how.
needs() {
    local package missing=()
    for package; do
        dpkg-query --show --showformat '${db:Status-Status}' "$package" 2> /dev/null |
            grep -qx installed || missing+=("$package")
    done
    if [ ${#missing[@]} = 0 ]; then
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        printf '%s: install first:\n  sudo apt-get install --no-install-recommends %s\n' \
            "$0" "${missing[*]}" >&2
        exit 2
    fi
    bash -s -- "${missing[@]}" < tests/servers/install.sh
}

# Runs a command of cargo's with Debian's compiler: debian_cargo build --release
debian_cargo() {
    local cargo=(cargo "$@")
    # Debian's clippy belongs to Debian's compiler.
    [ "$1" != clippy ] || cargo=(/usr/bin/cargo-clippy "$@")
    # The flag -Z is for nightly compilers, or for those who say that they know. insta, where the
    # snapshots lie, would ask cargo, which isn't there where the tests run; so it is built in.
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 INSTA_WORKSPACE_ROOT=$PWD \
        CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc \
        "${cargo[@]}"
}

# What debian_cargo needs besides, before a `--`.
windows_flags=(--target-dir "$windows_target" -Z build-std --target x86_64-pc-windows-gnu)
macos_flags=(--target-dir "$macos_target" -Z build-std --target aarch64-apple-darwin)
