#!/usr/bin/env bash
# Keys for the stage `tls`, made by openssl and keytool into the directory $1: an authority, servers, users, and what is wrong with others.
set -euo pipefail
export LC_ALL=C
cd "$1"
exec 2>keys.log

authority() { # name
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.crt" -days 3650 -subj "/CN=$1/O=Ottla" \
        -addext basicConstraints=critical,CA:TRUE
}

signed() { # name subject extension dates...
    local name=$1 subject=$2 extension=$3
    shift 3
    openssl req -newkey rsa:2048 -nodes -keyout "$name.key" -out "$name.csr" -subj "$subject"
    again "$name" "$name" "$extension" "$@"
}

again() { # name of the request, name of the certificate, extension, dates...
    local request=$1 name=$2
    printf '%s\n' "$3" >"$name.ext"
    shift 3
    openssl ca -batch -preserveDN -config ca.conf -in "$request.csr" -out "$name.crt" -extfile "$name.ext" -notext "$@"
}

cat >ca.conf <<'CONF'
[ca]
default_ca = here
[here]
database = index
new_certs_dir = .
rand_serial = yes
certificate = authority.crt
crlnumber = number
private_key = authority.key
default_md = sha256
policy = any
unique_subject = no
copy_extensions = none
[any]
commonName = supplied
organizationName = optional
organizationalUnitName = optional
countryName = optional
CONF
: >index
LOCAL="subjectAltName=DNS:localhost,IP:127.0.0.1"

authority authority
authority stranger
echo 01 >number
signed server "/CN=localhost/O=Ottla" "$LOCAL" -days 365
again server server2 "$LOCAL" -days 366
again server expired "$LOCAL" -startdate 200101000000Z -enddate 210101000000Z
again server soon "$LOCAL" -days 10
signed elsewhere "/CN=elsewhere.example.com/O=Ottla" "subjectAltName=DNS:elsewhere.example.com" -days 365
signed alice "/C=DE/O=Ottla/OU=Users/CN=Alice" "extendedKeyUsage=clientAuth" -days 365
signed bob "/O=Ottla/OU=Users/CN=Bob" "extendedKeyUsage=clientAuth" -days 365
openssl req -x509 -newkey rsa:2048 -nodes -keyout self.key -out self.crt -days 365 -subj "/CN=localhost" -addext "$LOCAL"

# Lists of revoked certificates: of nobody, of Bob.
revoked() { # name
    openssl ca -config ca.conf -gencrl -crldays 30 -out "$1"
}
revoked nobody.crl
openssl ca -config ca.conf -revoke bob.crt
revoked bob.crl

openssl pkcs8 -topk8 -v2 aes-256-cbc -in server.key -out server.encrypted.key -passout pass:key-secret
cat server.crt server.encrypted.key >server.pem
cat server2.crt server.encrypted.key >server2.pem
cat expired.crt server.key >expired.pem
cat soon.crt server.key >soon.pem
cat elsewhere.crt elsewhere.key >elsewhere.pem
cat self.crt self.key >self.pem
cat server.crt alice.key >misfit.pem
printf 'no PEM at all\n' >nothing.pem

for name in server alice bob; do
    openssl pkcs12 -export -in $name.crt -inkey $name.key -certfile authority.crt -name $name -out $name.p12 -passout pass:store-secret
done
openssl pkcs12 -export -legacy -in server.crt -inkey server.key -certfile authority.crt -name server -out server.legacy.p12 \
    -passout pass:store-secret
keytool -importkeystore -noprompt -srckeystore server.p12 -srcstorepass store-secret -destkeystore server.jks -deststoretype JKS \
    -deststorepass store-secret
keytool -importkeystore -noprompt -srckeystore alice.p12 -srcstorepass store-secret -destkeystore alice.jks -deststoretype JKS \
    -deststorepass store-secret
for kind in JKS PKCS12; do
    keytool -importcert -noprompt -alias authority -file authority.crt -keystore trust.$kind -storetype $kind -storepass store-secret
done
# Java's own key on an elliptic curve, which nobody but itself has signed, with a password of its own.
keytool -genkeypair -keyalg EC -groupname secp256r1 -alias java -dname "CN=localhost" -ext san=dns:localhost,ip:127.0.0.1 -validity 365 \
    -keystore java.jks -storetype JKS -storepass store-secret -keypass key-secret
keytool -exportcert -rfc -alias java -keystore java.jks -storepass store-secret -file java.crt
