# shellcheck shell=sh
# observe-watch URL CA CERTIFICATE KEY PATH: the first answer of this master's own API server to a watch, or
# nothing where it only waits. Not --fail: a refused watch may come with a status of its own.
report answer "$(exec curl --silent --max-time 15 --noproxy '*' \
    --cacert "$2" --cert "$3" --key "$4" "$1$5" 2>&1 | head -n 1)"
