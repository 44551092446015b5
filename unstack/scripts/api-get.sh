# shellcheck shell=sh
# api-get URL CA CERTIFICATE KEY PATH: an object of this master's own API server, as JSON.
answer=$(curl --silent --show-error --fail --max-time 10 --noproxy '*' \
    --cacert "$2" --cert "$3" --key "$4" "$1$5" 2>&1) || die "GET $5: $answer"
report object "$answer"
