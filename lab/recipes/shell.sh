#!/bin/sh
# Fetch a static shell, for images that hold nothing else; runs inside a container of the rootfs image,
# the output folder is mounted at /output.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

echo "==> fetching a shell"
apt-get -qq update
mkdir -p /build
cd /build
# The sandboxed download user has no access to this folder, and none is needed.
apt-get -qq -o APT::Sandbox::User=root download busybox-static
dpkg-deb -x busybox-static_*.deb unpacked
install -m 0755 unpacked/bin/busybox /output/sh
/output/sh -c true
