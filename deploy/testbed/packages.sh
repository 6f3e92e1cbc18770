#!/bin/sh
# Installs the servers that a shop stands on, if root asks on a Debian; says what is missing if not. Never fails: what
# needs them is skipped, with the reason.
set -eu
packages="redis-server postgresql prometheus prometheus-alertmanager prometheus-node-exporter
victoria-metrics"
missing=""
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then # the testbed starts its own: Debian's daemons shall not run beside it
        trap 'rm -f $policy' EXIT
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod +x $policy
    fi
    if { apt-get -qq update && timeout 600 apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $missing; } >/dev/null 2>&1; then
        exit 0
    fi
    echo "could not be installed:$missing"
fi
echo "not installed:$missing (Debian: apt install$missing); tests of the live testbed are skipped"
