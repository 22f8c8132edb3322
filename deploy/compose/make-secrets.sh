#!/bin/sh
# Makes what compose.yaml needs and nobody may guess, once: passwords, the key for facts, and an authority with one certificate for
# each part. A file that exists is kept. Needs openssl.
#
#     sh deploy/compose/make-secrets.sh [FOLDER]      default: the folder `secrets` beside this script
set -eu
umask 077
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
folder=${1:-$here/secrets}
days=825
mkdir -p "$folder"
cd "$folder"

# The containers run as 65532 (ours), 999 (PostgreSQL), 1000 (Kafka) and 65534 (Prometheus), and compose binds these files as they
# are. So they can be read by all, and the folder by its owner alone.
chmod 700 .
publish() { chmod 644 "$1"; }

random() { openssl rand -hex 24; }

secret() { # secret NAME [VALUE]: a new one unless it is there
  [ -s "$1" ] || printf '%s' "${2:-$(random)}" > "$1"
  publish "$1"
}

secret postgres-password
secret facts-key
for role in owner inventory drift orchestrator notification; do
  secret "$role-password"
done
secret admin-url "postgresql://postgres:$(cat postgres-password)@postgres:5432/understudy"
for service in inventory drift orchestrator notification; do
  secret "$service-store-url" "postgresql://understudy_$service:$(cat "$service-password")@postgres:5432/understudy"
done

if [ ! -s ca.pem ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$days" -subj "/CN=understudy-authority" \
    -keyout ca.key -out ca.pem 2>/dev/null
fi
publish ca.pem

certificate() { # certificate NAME: NAME.pem and NAME.key, signed by the authority; NAME is host name and Kafka principal
  if [ ! -s "$1.pem" ]; then
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
    printf 'subjectAltName=DNS:%s,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n' "$1" > "$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$days" -extfile "$1.ext" -out "$1.pem" 2>/dev/null
    rm -f "$1.csr" "$1.ext"
  fi
  publish "$1.pem"
  publish "$1.key"
}

for name in kafka kafka-admin inventory drift orchestrator notification; do
  certificate "$name"
done
# Kafka reads a key and its certificates from one file.
cat kafka.key kafka.pem ca.pem > kafka-keystore.pem
publish kafka-keystore.pem
chmod 600 ca.key
echo "$folder"
