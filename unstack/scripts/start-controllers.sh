# shellcheck shell=sh
# start-controllers MANIFESTS KEPT TIMEOUT: controller-manager and scheduler, once they can work.
deadline=$(($(uptime_centiseconds) + ${3%.*} * 100))

for component in kube-controller-manager kube-scheduler; do
    if [ -f "$2/fenced/$component.yaml" ]; then
        mv "$2/fenced/$component.yaml" "$1/$component.yaml" ||
            die "that $component.yaml can't be put in place" "a rename" "look at the disk of $1"
    fi
done
while [ "$(processes kube-controller-manager kube-scheduler | wc -l)" -lt 2 ]; do
    [ "$(uptime_centiseconds)" -lt "$deadline" ] ||
        die "no kube-controller-manager or no kube-scheduler, $3 s after its manifest was put back" "both" \
            "look at kubelet's log on this master"
    sleep 0.2
done
