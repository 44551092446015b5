# shellcheck shell=sh
# observe-authority CERTIFICATE KEY: a CA's certificate, and whether its key is there, not the key.
# Changes nothing.
report path "$1"
report_file certificate "$1"
if [ -s "$2" ]; then report key yes; fi
