#!/bin/sh
# Build the root filesystem that every node image and every build container starts from.
# Usage: rootfs.sh OUTPUT.tar
set -eu

# The default mirror of mmdebstrap is used on purpose: a machine that has a mirror of its own
# configures it once, for everything.
packages=$(sed 's/#.*//' "$(dirname "$0")/node-packages.txt" | tr -s ' \n' ',,' | sed 's/^,//; s/,$//')
exec mmdebstrap --variant=minbase --include="$packages" bookworm "$1"
