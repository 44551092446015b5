# shellcheck shell=sh
# api-delete URL CA CERTIFICATE KEY PATH: delete an object at once, without waiting for who runs it.
answer=$(curl --silent --show-error --fail --max-time 10 --noproxy '*' \
    --header 'Content-Type: application/json' --request DELETE --data '{"gracePeriodSeconds": 0}' \
    --cacert "$2" --cert "$3" --key "$4" "$1$5" 2>&1) || die "a refused DELETE $5: $answer" "the deletion" "look at the API server on this master"
