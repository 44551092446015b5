"""Settings of the whole cluster. Every name here is a setting; an unknown one is refused."""

# pyinfra's: run everything with sudo. Remove it where you connect as root.
_sudo = True

# Name of the cluster: its certificates, journal and reports are kept in .unstack/<cluster>/.
cluster = "prod"

# How the data moves. "snapshot": a short outage, in which nothing is written. "live": none; the external
# members join the stacked cluster, and the stacked ones leave it. "auto": live where its conditions hold,
# which are tried and printed; docs/how-it-works.md lists them. A migration that has begun keeps its strategy.
strategy = "snapshot"

# tasks/clean.py keeps what a rollback needs; True removes that too.
clean_rollback = False

# True lets tasks/renew.py make a CA where this control node has none: after the old one has expired, and
# its directory was moved aside. A cluster in use with a CA that is good would be cut apart by it.
new_ca = False

# The file on this control node that tasks/restore_backup.py restores, given with --data backup=FILE.
backup = None

# Largest tolerated difference between the clocks of any two hosts.
maximum_clock_skew_seconds = 2.0

# Days: our certificate that expires sooner is made anew, the stacked cluster's is refused.
minimum_certificate_days = 7

# An external cluster of one member tolerates no failure; True allows it all the same.
allow_fewer_than_three_members = False

# etcd 3.5.0 to 3.5.2 can lose committed writes (etcd#13766); True allows them as the target.
allow_inconsistent_etcd = False

# Certificates of the external cluster, with cfssl's fields (csr.json) and profiles (config.json).
pki = {
    "ca": {
        "CN": "etcd-ca",
        # Any of C, ST, L, O, OU; empty ones are left out.
        "names": {"O": "unstack", "OU": "etcd"},
        # "ecdsa" with 256, 384 or 521 bits, or "rsa" with 2048, 3072 or 4096.
        "key": {"algo": "ecdsa", "size": 256},
        "expiry": "87600h",
    },
    # server and peer need both usages: a member's gateway and every peer is client and server.
    "profiles": {
        "server": {
            "usages": ["signing", "key encipherment", "server auth", "client auth"],
            "expiry": "8760h",
        },
        "peer": {
            "usages": ["signing", "key encipherment", "server auth", "client auth"],
            "expiry": "8760h",
        },
        "client": {"usages": ["signing", "key encipherment", "client auth"], "expiry": "8760h"},
    },
    # Subject and key of every certificate below the CA.
    "names": {"O": "unstack", "OU": "etcd"},
    "key": {"algo": "ecdsa", "size": 256},
    # Further names and addresses by which clients reach members; own addresses are always there.
    "hosts": [],
}
