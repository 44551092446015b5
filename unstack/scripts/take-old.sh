# shellcheck shell=sh
# take-old KEPT: the old kube-apiserver manifest, kept at the cutover, in the place of the external
# cluster's, which is kept aside: what goes in next is the old one.
umask 077
replace "$1/stacked/kube-apiserver.yaml" "$1/fenced/kube-apiserver.yaml" "$1"
