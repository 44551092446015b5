# shellcheck shell=sh
# try-pair-of-client CA CERTIFICATE KEY URL...: that this pair, and this CA alone, are good for the
# members at these client URLs, before they go into place.
ca=$(coming "$1")
certificate=$(coming "$2")
key=$(coming "$3")
shift 3
for url; do
    answer=$(curl --silent --show-error --fail --max-time 10 --noproxy '*' \
        --cacert "$ca" --cert "$certificate" --key "$key" "$url/health" 2>&1) ||
        die "that $url does not take, or is not served by, the certificates that are brought: $answer" \
            "an answer by them" "look at that member's log, then run again. Nothing was put in place here"
done
