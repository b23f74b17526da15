#!/bin/sh
# Makes the .deb: build.sh BINARY OUT VERSION. Needs dpkg-deb.
set -eu
binary=$1 out=$2 version=$3
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# A date of the sources makes the same bytes of the same input.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-315532800}
export SOURCE_DATE_EPOCH
install -Dm755 "$binary" "$root/usr/bin/ottla"
install -Dm644 "$here/ottla.service" "$root/lib/systemd/system/ottla.service"
install -dm755 "$root/etc/ottla"
sed 's|@LISTENERS@|PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093|' "$here/../server.properties" > "$root/etc/ottla/server.properties"
chmod 644 "$root/etc/ottla/server.properties"
install -Dm644 "$here/../../LICENSE" "$root/usr/share/doc/ottla/copyright"
install -d "$root/DEBIAN"
echo /etc/ottla/server.properties > "$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do install -m755 "$here/$script" "$root/DEBIAN/$script"; done
cat > "$root/DEBIAN/control" <<END
Package: ottla
Version: $version
Architecture: amd64
Maintainer: The Ottla project <ottla@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Pre-Depends: adduser
Section: net
Priority: optional
Description: broker of Apache Kafka's protocol
 Topics, groups, transactions and the metadata quorum of Apache Kafka in one
 binary, with its command line tools. Clients of Kafka use it unchanged.
END
dpkg-deb --root-owner-group -Zxz --build "$root" "$out/ottla_${version}_amd64.deb" > /dev/null
echo "$out/ottla_${version}_amd64.deb"
