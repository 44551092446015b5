# shellcheck shell=sh
# api-get URL CA CERTIFICATE KEY PATH: an object of this master's own API server, as JSON.
answer=$(curl --silent --show-error --fail --max-time 10 --noproxy '*' \
    --cacert "$2" --cert "$3" --key "$4" "$1$5" 2>&1) || die "no answer to GET $5: $answer" "the object" "look at the API server on this master"
report object "$answer"
