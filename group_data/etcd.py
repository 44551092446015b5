"""Settings of the external etcd members."""

# Image with etcd, etcdctl and etcdutl, the same minor version as the stacked etcd, not older.
etcd_image = "gcr.io/etcd-development/etcd:v3.5.33"

# The version in the image, where its tag does not say it.
etcd_version = None

# The member's data lies in data/ below it. May be a mount point.
etcd_data_directory = "/var/lib/etcd-external"

# The compose file and pki/ lie here.
etcd_config_directory = "/etc/etcd"

# Name of the container.
etcd_container = "etcd"

# Ports. Clients and peers connect from other hosts; metrics listen on loopback only.
etcd_client_port = 2379
etcd_peer_port = 2380
etcd_metrics_port = 2381

# The database's limit; etcd's default is 2 GiB. It must exceed the present size.
etcd_quota_backend_bytes = 8 * 2**30

# The same on all members; an election lasts at least ten round trips between them.
etcd_heartbeat_interval_milliseconds = 100
etcd_election_timeout_milliseconds = 1000

# "docker compose", "docker-compose", or "auto": the first that the host has.
compose_command = "auto"

# Free space wanted on the data directory's disk, in sizes of the database.
disk_factor = 3.0

# How long the new members may take to answer with a quorum, and each that joins live to catch up. A large
# database wants more: it is sent to it as a whole.
start_timeout_seconds = 60
