#!/bin/sh
# A .deb installed, looked at, run as its user, replaced and purged: debian.sh PACKAGE PORT PORT
set -u
package=$1 port=$2 controller=$3
check() { if [ "$2" = 0 ]; then echo "ok - $1"; else echo "not ok - $1"; fi; }
holds() { name=$1; shift; "$@" > /dev/null 2>&1; check "$name" $?; }
unit=$(dirname "$0")/../../packages/debian/ottla.service
if command -v systemd-analyze > /dev/null; then
    said=$(systemd-analyze security --offline=true --threshold=20 "$unit" 2>&1)
    code=$?
    check "systemd finds the unit safe: $(echo "$said" | tail -1)" $code
else
    echo "skip - systemd-analyze security: no systemd here"
fi
holds "the control file is read" dpkg-deb --info "$package"
if [ "$(id -u)" != 0 ] || ! command -v adduser > /dev/null; then
    echo "skip - install and purge: needs root and adduser"
    echo "done - debian"
    exit
fi
if dpkg-query -W -f '${Status}' ottla 2> /dev/null | grep -q "ok installed"; then
    echo "skip - install and purge: an ottla is installed here"
    echo "done - debian"
    exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dpkg -i "$package" > "$work/dpkg" 2>&1
check "it installs: $(tail -1 "$work/dpkg")" $?
holds "its user is there" getent passwd ottla
holds "its user cannot log in" sh -c 'getent passwd ottla | grep -q nologin'
holds "the data is its user's alone" sh -c '[ "$(stat -c "%U %a" /var/lib/ottla)" = "ottla 750" ]'
holds "the program runs" /usr/bin/ottla --version
setpriv --reuid=ottla --regid=ottla --clear-groups env -i \
    /usr/bin/ottla server -c /etc/ottla/server.properties --set "listeners=PLAINTEXT://localhost:$port,CONTROLLER://localhost:$controller" \
    --set "advertised.listeners=PLAINTEXT://localhost:$port" --set "controller.quorum.voters=1@localhost:$controller" \
    --set metrics.listeners= > "$work/log" 2>&1 &
broker=$!
answers=1
for try in 1 2 3 4 5 6 7 8 9 10; do
    if /usr/bin/ottla -b "localhost:$port" --timeout 3s cluster info > "$work/said" 2>&1; then answers=0; break; fi
    sleep 0.3
done
check "a node of its configuration answers as its user: $(tail -1 "$work/log")" $answers
kill -TERM $broker
wait $broker
echo "# mine" >> /etc/ottla/server.properties
dpkg -i --force-confold "$package" > "$work/dpkg" 2>&1
holds "a changed configuration survives another install" grep -q "# mine" /etc/ottla/server.properties
dpkg --remove ottla > /dev/null 2>&1
holds "removed, it leaves configuration and data" sh -c '[ ! -e /usr/bin/ottla ] && [ -e /etc/ottla/server.properties ] && [ -d /var/lib/ottla ]'
dpkg --purge ottla > /dev/null 2>&1
holds "purged, it leaves neither" sh -c '[ ! -e /etc/ottla ] && [ ! -e /var/lib/ottla ]'
deluser --quiet --system ottla > /dev/null 2>&1
echo "done - debian"
