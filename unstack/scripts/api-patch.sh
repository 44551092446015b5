# shellcheck shell=sh
# api-patch URL CA CERTIFICATE KEY PATH: apply the JSON merge patch on standard input.
answer=$(curl --silent --show-error --fail --max-time 10 --noproxy '*' \
    --header 'Content-Type: application/merge-patch+json' --request PATCH --data-binary @- \
    --cacert "$2" --cert "$3" --key "$4" "$1$5" 2>&1) || die "PATCH $5: $answer"
