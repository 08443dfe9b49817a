#!/bin/sh
# A sub-account for one customer, and what that customer can do with its token: curl and nothing else.
#
#   DIR=~/.local/share/byway/local ./resell.sh customer-7
set -eu
: "${DIR:?set DIR to the node's folder, the one with run.json}"
name=${1:?the name of the sub-account}

rpc=$(sed -n 's/.*"rpc": *"\([^"]*\)".*/\1/p' "$DIR/run.json")
owner=$(cat "$DIR/rpc.token")

# call TOKEN METHOD PARAMS
call() {
  curl -sS "http://$rpc/" -H "Authorization: Bearer $1" -H 'Content-Type: application/json' \
    -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$2\",\"params\":$3}"
  echo
}

created=$(call "$owner" sub_account_create "{\"name\":\"$name\",\"limit\":\"0.5\",\"per\":\"day\"}")
token=$(printf %s "$created" | sed -n 's/.*"token":"\([0-9a-f]*\)".*/\1/p')
[ -n "$token" ] || { echo "$created" >&2; exit 1; }

call "$token" offer_list '{"limit":3}'      # what it may do …
call "$token" connect '{}'
call "$token" sub_account_show '{}'
call "$token" wallet_balance '{}'           # … and what it may not: error 1130, not_allowed
call "$token" disconnect '{}'
