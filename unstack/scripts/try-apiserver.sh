# shellcheck shell=sh
# try-apiserver PKI NAME SERVERS ARGUMENT...: whether the kube-apiserver that runs here knows these arguments,
# and whether each of SERVERS answers the API servers' new client pair from here. No API server is started:
# with --version it reads its arguments and ends. NAME is the stacked member, whose etcdctl is used.
pki=$1
name=$2
servers=$3
shift 3

pid=$(processes kube-apiserver | head -n 1)
[ -n "$pid" ] || die "no running kube-apiserver" "one, whose program can be asked" "look at kubelet on this master"
answer=$("/proc/$pid/exe" "$@" --version 2>&1) ||
    die "a kube-apiserver that refuses the new manifest: $(echo "$answer" | tail -n 3)" "one that knows its flags" \
        "correct kube-apiserver.yaml on this master"
report version "$answer"
pid=$(etcd_process "$name")
[ -n "$pid" ] || die "no running etcd with --name=$name" "this host's member" "look at its container's log"
etcdctl=/proc/$pid/root$(etcd_tool "$pid" etcdctl) || die "no etcdctl in the image of etcd" "one, as in every release image" "use etcd's own image"
for server in $(echo "$servers" | tr ',' ' '); do
    answer=$(ETCDCTL_API=3 "$etcdctl" --endpoints="$server" --cacert="$pki/ca.crt" --cert="$pki/client.crt" \
        --key="$pki/client.key" --command-timeout=5s endpoint health 2>&1) ||
        die "no answer of $server to the API servers' client pair: $(echo "$answer" | tail -n 1)" "one" \
            "see that no firewall is between this master and that port"
done
report reached "$servers"
