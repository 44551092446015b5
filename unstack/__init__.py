"""unstack: move a kubeadm cluster's stacked etcd to an external etcd cluster, losing nothing."""
