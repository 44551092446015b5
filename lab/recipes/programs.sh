#!/bin/sh
# Fetch the programs that are not in bookworm, or not in the shape needed; runs inside a container
# of the rootfs image, the output folder is mounted at /output:
#   etcd/    a root filesystem with etcd, etcdctl, etcdutl and the libraries they load
#   pause    a static init process that waits for ever, in place of Kubernetes' own pause
#   compose  the plugin file of docker compose v2
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

say() { echo "==> $*"; }

say "reading the package lists of newer releases"
# Signatures are still verified. Only the age of sid's list is not: a mirror that is frozen at a
# date is as good as a live one here.
sed -n 's/^deb \([^ ]*\) bookworm main$/deb \1 trixie main\ndeb [check-valid-until=no] \1 sid main/p' \
	/etc/apt/sources.list >/etc/apt/sources.list.d/newer.list
apt-get -qq update

# 3.5.16 and later only: older releases lose data in known ways. 3.6 must not be picked:
# it is another minor version, which a 3.5 cluster cannot move to in one step.
newest=$(apt-cache madison etcd-server | awk '{print $3}' | grep '^3\.5\.' | sort -V | tail -n 1)
version=${newest%%-*}
if [ "$(printf '%s\n3.5.16\n' "$version" | sort -V | head -n 1)" != 3.5.16 ]; then
	echo "no etcd 3.5.16 or later in the archive (newest: ${newest:-none})" >&2
	exit 1
fi

say "fetching etcd $version"
mkdir -p /build
cd /build
# The sandboxed download user has no access to this folder, and none is needed.
apt-get -qq -o APT::Sandbox::User=root download \
	"etcd-server=$newest" "etcd-client=$newest" catatonit docker-compose/trixie
for package in *.deb; do dpkg-deb -x "$package" unpacked; done

mkdir -p /output/etcd/usr/local/bin /output/etcd/tmp
for program in etcd etcdctl etcdutl; do
	install -m 0755 "unpacked/usr/bin/$program" "/output/etcd/usr/local/bin/$program"
	# The libraries go to the very paths at which the loader looks.
	ldd "unpacked/usr/bin/$program" | grep -o '/[^ ]*' | while read -r library; do
		install -D -m 0755 "$library" "/output/etcd$library"
	done || true
done
/output/etcd/usr/local/bin/etcdutl version >/dev/null
echo "v$version" >/output/etcd-version.txt

catatonit=$(find unpacked -type f -path '*/bin/catatonit')
install -m 0755 "$catatonit" /output/pause
install -m 0755 unpacked/usr/libexec/docker/cli-plugins/docker-compose /output/compose
say "done"
