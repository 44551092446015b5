# shellcheck shell=sh
# api-patch URL CA CERTIFICATE KEY PATH: apply the JSON merge patch on standard input.
answer=$(curl --silent --show-error --fail --max-time 10 --noproxy '*' \
    --header 'Content-Type: application/merge-patch+json' --request PATCH --data-binary @- \
    --cacert "$2" --cert "$3" --key "$4" "$1$5" 2>&1) || die "a refused PATCH $5: $answer" "the change" "look at the API server on this master"
