#!/bin/sh
# Build the Kubernetes binaries from Debian bookworm's source package; runs inside a container of
# the rootfs image. The output folder is mounted at /output.
#
# That source package holds the whole tree with every vendored module, although Debian builds only
# kubectl from it. It is built as Debian does, in GOPATH mode with `make`: the openapi code is
# generated there, a plain `go build` fails.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

say() { echo "==> $*"; }

say "installing the compiler"
sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >/etc/apt/sources.list.d/source.list
apt-get -qq update
apt-get -qq install -y --no-install-recommends \
	build-essential dpkg-dev golang-go golang-github-modern-go-reflect2-dev rsync which git >/dev/null

say "fetching the source"
mkdir -p /build
cd /build
apt-get -qq source kubernetes >/dev/null
tree=$(echo /build/kubernetes-*/)
tree=${tree%/}

# 1.20.5+really1.20.2-1 -> 1.20.2
version=$(dpkg-parsechangelog -l "$tree/debian/changelog" -S Version | sed 's/.*really//; s/[-+~].*//')
say "building Kubernetes v$version"

# The vendored reflect2 knows the maps of Go before 1.18 only; with it every server dies at start
# with "unexpected fault address 0x0".
vendored=$tree/vendor/github.com/modern-go/reflect2
rm -rf "$vendored"
cp -rL /usr/share/gocode/src/github.com/modern-go/reflect2 "$vendored"

mkdir -p "$tree/.go/src/k8s.io"
ln -sfn "$tree" "$tree/.go/src/k8s.io/kubernetes"
cat >/build/version <<VERSION
KUBE_GIT_COMMIT='unknown'
KUBE_GIT_TREE_STATE='archive'
KUBE_GIT_VERSION='v$version'
KUBE_GIT_MAJOR='$(echo "$version" | cut -d. -f1)'
KUBE_GIT_MINOR='$(echo "$version" | cut -d. -f2)'
VERSION

export GOPATH="$tree/.go" GO111MODULE=off GOCACHE=/build/cache GOFLAGS= GOPROXY=off
export CGO_ENABLED=0 KUBE_GIT_VERSION_FILE=/build/version KUBE_VERBOSE=0
cd "$GOPATH/src/k8s.io/kubernetes"
for name in kubectl kubeadm kubelet kube-scheduler kube-controller-manager kube-apiserver; do
	say "building $name"
	make -s WHAT="cmd/$name" GOLDFLAGS="-s -w"
	binary=$(find _output "$GOPATH/bin" -type f -name "$name" -perm -u+x 2>/dev/null | head -n 1)
	install -m 0755 "$binary" "/output/$name"
done

# kubeadm's own answer is the one source of the images' names.
/output/kubeadm config images list --kubernetes-version "v$version" >/output/images.txt 2>/dev/null
echo "v$version" >/output/version.txt
say "done"
