# shellcheck shell=sh
# observe-file PATH: its content, where it exists.
report read yes
report_file file "$1"
