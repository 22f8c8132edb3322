#!/bin/sh
# From a registered cluster to a patched one, with nothing but curl and node. `npm start` printed ADDRESS and TOKEN_FILE.
set -eu
DOCUMENTS=${DOCUMENTS:-docs/first-steps}
AUTHORIZATION="Authorization: Bearer $(cat "$TOKEN_FILE")"

send() { # send METHOD PATH TYPE BODY; a body @FILE is read from there
  curl -sS --fail-with-body -X "$1" "$ADDRESS$2" -H "$AUTHORIZATION" -H "Content-Type: $3" \
    -H "Idempotency-Key: $(node -p 'crypto.randomUUID()')" --data-binary "$4"
}
field() { node -pe "JSON.parse(require('node:fs').readFileSync(0, 'utf8'))$1"; }
in_minutes() { node -p "new Date(Date.now() + $1 * 60000).toISOString()"; }

# 1. Credentials, by name and bound to hosts. The server reads the password from the file; no document carries one.
for role in driver replication probe; do
  send PUT "/v1/credentials/orders-$role" application/json "{
    \"user\": \"$(cat "$SECRETS/$role.user")\", \"source\": \"file:$SECRETS/$role.password\", \"hosts\": [\"127.0.0.1\"] }"
done

# 2. What would be registered: what is seen, and how it is classified. Nothing is stored.
send POST '/v1/clusters?dryRun=true' application/yaml "@$DOCUMENTS/cluster.yaml"

# 3. Register it.
send POST /v1/clusters application/yaml "@$DOCUMENTS/cluster.yaml"

# 4. What to bring it to. The release lies on the hosts already: releases/postgresql-17.10.
patch_set=$(send POST /v1/patch-sets application/json '{
  "items": [{ "name": "postgresql", "targetVersion": "17.10", "source": "release", "artifact": "postgresql-17.10" }],
  "advisories": [], "publishedAt": "2026-05-14T00:00:00.000Z" }' | field .id)

# 5. How: a playbook is a versioned document of parameters over fixed phases.
send PUT /v1/playbooks/standby-first application/json "@$DOCUMENTS/playbook.json"

# 6. When: a window is a time budget that includes the way back.
rollout=$(send POST /v1/windows application/json "{
  \"kind\": \"patch\", \"clusters\": [\"orders\"], \"patchSetId\": \"$patch_set\", \"playbook\": { \"name\": \"standby-first\" },
  \"opensAt\": \"$(in_minutes 0)\", \"closesAt\": \"$(in_minutes 60)\", \"tickets\": [] }" | field '.rollouts[0].id')

# 7. Watch it, until it is closed; then read the report.
curl -sS -N "$ADDRESS/v1/rollouts/$rollout/events" -H "$AUTHORIZATION" -H 'Accept: text/event-stream' |
  while read -r line; do
    case "$line" in *'"type":"RolloutClosed"'*) break ;; event:*) echo "$line" ;; esac
  done
curl -sS --fail-with-body "$ADDRESS/v1/rollouts/$rollout/report" -H "$AUTHORIZATION" -H 'Accept: text/markdown'
