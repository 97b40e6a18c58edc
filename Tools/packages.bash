# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
#
# What Martlet needs from the system, and how it gets there. Sourced by Tools/run, Tools/test and
# Tools/check. Each line is: a file or command that shows it is there, then the Debian package.

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

needed_to_build=(
    "/usr/include/bsd/unistd.h libbsd-dev"
    "/usr/include/readline/readline.h libreadline-dev"
    "/usr/include/zlib.h zlib1g-dev"
    "/usr/include/bzlib.h libbz2-dev"
    "/usr/include/*/maxminddb.h libmaxminddb-dev"
    "pkg-config pkg-config"
)
needed_to_demonstrate=(
    "/usr/share/tor/geoip tor-geoipdb"
    "dig bind9-dnsutils"
    "telnet telnet"
)
needed_to_test=(
    "bird bird2"
    "bgpdump bgpdump"
    "delv bind9-dnsutils"
    "dnsdist dnsdist"
    "dnsviz dnsviz"
    "drill ldnsutils"
    "exabgp exabgp"
    "/usr/lib/frr/bgpd frr"
    "gdnsd gdnsd"
    "gobgpd gobgpd"
    "ip iproute2"
    "kdig knot-dnsutils"
    "kzonecheck knot-dnssecutils"
    "knotd knot"
    "/usr/lib/*/knot/modules-*/geoip.so knot-module-geoip"
    "named bind9"
    "named-checkzone bind9-utils"
    "nsd nsd"
    "bgpctl openbgpd"
    "openssl openssl"
    "pdns_server pdns-server"
    "/usr/lib/*/pdns/libbindbackend.so pdns-backend-bind"
    "/usr/lib/*/pdns/libremotebackend.so pdns-backend-remote"
    "python3 python3"
    "stayrtr stayrtr"
    "unbound unbound"
)

# say MESSAGE: one line about what happens, to standard error.
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# fail MESSAGE: says it and ends with status 1.
fail() { say "$@"; exit 1; }

is_there() {
    case $1 in
        /*) compgen -G "$1" >/dev/null ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# missing LINE...: the packages of those lines whose file or command is not there.
missing() {
    local line
    for line in "$@"; do
        is_there "${line% *}" || printf '%s\n' "${line#* }"
    done
}

# install LINE...: installs what is missing, or says what to type and ends.
install() {
    local packages
    mapfile -t packages < <(missing "$@")
    [ ${#packages[@]} -gt 0 ] || return 0
    local command="apt-get install -y --no-install-recommends ${packages[*]}"
    command -v apt-get >/dev/null 2>&1 ||
        fail "there is no apt-get here; install what these Debian packages hold: ${packages[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        say "these packages are missing, and only root can install them: ${packages[*]}"
        fail "type: sudo apt-get update && sudo $command"
    fi
    say "installing ${packages[*]}"
    # Routers and name servers that come as test peers are not to start by themselves.
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    local status=0
    { apt-get update && DEBIAN_FRONTEND=noninteractive $command; } >&2 || status=$?
    if [ -n "$(trap -p EXIT)" ]; then
        rm -f "$policy"
        trap - EXIT
    fi
    [ "$status" -eq 0 ] || fail "apt-get failed; what it said stands above"
}

# require_swift: ends with a sentence where the compiler is missing or too old.
require_swift() {
    command -v swift >/dev/null 2>&1 ||
        fail "the Swift compiler is missing: install Swift 6.2 or newer from https://www.swift.org/install"
}
