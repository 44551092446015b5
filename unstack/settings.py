"""Every setting of group_data, with its type, its default and what it means.

Unknown names are refused: a misspelt setting must never be silently ignored in a migration.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from unstack.versions import EtcdVersion

HOURS = re.compile(r"([0-9]{1,9})h")
MAXIMUM_EXPIRY_HOURS = 876_000  # 100 years
AbsolutePath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]*[A-Za-z0-9_-]$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Duration = Annotated[str, Field(pattern=r"^[0-9]{1,5}[dhms]$")]
DURATION_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
# A container image as a pod names it, with a tag, a digest or neither.
Image = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$")]
# A check as kubeadm names it, "Port-10250" and "FileAvailable--etc-kubernetes-..." among them; or "all".
PreflightCheck = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]*$")]


class Strict(BaseModel):
    """Immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KeySettings(Strict):
    """cfssl's "key": the algorithm and the size in bits."""

    algo: Literal["ecdsa", "rsa"] = "ecdsa"
    size: int = 256

    @model_validator(mode="after")
    def size_fits_algorithm(self) -> KeySettings:
        """ECDSA knows three curves; RSA below 2048 bits is refused by Go's TLS."""
        sizes = {"ecdsa": (256, 384, 521), "rsa": (2048, 3072, 4096)}[self.algo]
        if self.size not in sizes:
            raise ValueError(f"{self.algo} key size {self.size} is none of {sizes}")
        return self


class SubjectSettings(Strict):
    """cfssl's "names": the parts of a certificate's subject besides CN. Empty parts are left out.

    The lengths are X.520's upper bounds; longer parts make a certificate that TLS may refuse.
    """

    C: str = ""
    ST: Annotated[str, Field(max_length=128)] = ""
    L: Annotated[str, Field(max_length=128)] = ""
    O: Annotated[str, Field(max_length=64)] = ""  # noqa: E741  (its name in X.509 and in cfssl)
    OU: Annotated[str, Field(max_length=64)] = ""

    @field_validator("C")
    @classmethod
    def country_has_two_letters(cls, value: str) -> str:
        """X.520: a country is an ISO 3166 code of two letters."""
        if value and not re.fullmatch(r"[A-Z]{2}", value):
            raise ValueError(f"country {value!r} is not a code of two capital letters")
        return value


class Expiring(Strict):
    """Something with cfssl's "expiry", in hours: "8760h"."""

    expiry: str

    @field_validator("expiry")
    @classmethod
    def expiry_is_hours(cls, value: str) -> str:
        """cfssl writes a duration in hours. X.509 dates end with the year 9999."""
        if not HOURS.fullmatch(value):
            raise ValueError(f'expiry {value!r} is not a number of hours such as "8760h"')
        if not 0 < int(value[:-1]) <= MAXIMUM_EXPIRY_HOURS:
            raise ValueError(f"expiry {value!r} is not between 1h and {MAXIMUM_EXPIRY_HOURS}h")
        return value

    @property
    def expiry_hours(self) -> int:
        """The validity in hours."""
        return int(self.expiry[:-1])


class AuthoritySettings(Expiring):
    """cfssl's ca-csr.json."""

    CN: Annotated[str, Field(min_length=1, max_length=64)] = "etcd-ca"
    names: SubjectSettings = SubjectSettings()
    key: KeySettings = KeySettings()
    expiry: str = "87600h"


Usage = Literal[
    "signing",
    "digital signature",
    "key encipherment",
    "key agreement",
    "server auth",
    "client auth",
]


class ProfileSettings(Expiring):
    """A profile of cfssl's ca-config.json."""

    usages: tuple[Usage, ...]
    expiry: str = "8760h"


class ProfilesSettings(Strict):
    """One profile per use, so that no key serves two.

    server and peer carry both extended usages: etcd's gRPC gateway dials its own server with the
    server certificate, and every peer is client and server at once (etcd#9785).
    """

    server: ProfileSettings = ProfileSettings(
        usages=("signing", "key encipherment", "server auth", "client auth")
    )
    peer: ProfileSettings = ProfileSettings(
        usages=("signing", "key encipherment", "server auth", "client auth")
    )
    client: ProfileSettings = ProfileSettings(usages=("signing", "key encipherment", "client auth"))


class PkiSettings(Strict):
    """cfssl's fields and profiles for the external cluster's certificates."""

    ca: AuthoritySettings = AuthoritySettings()
    profiles: ProfilesSettings = ProfilesSettings()
    names: SubjectSettings = SubjectSettings()
    key: KeySettings = KeySettings()
    hosts: tuple[str, ...] = ()  # further names or addresses in every server certificate


class Settings(Strict):
    """All settings. `group_data/` is their reference, with a comment on each."""

    cluster: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
    strategy: Literal["live", "snapshot", "auto"] = "snapshot"
    pki: PkiSettings = PkiSettings()
    state_directory: AbsolutePath = "/var/lib/unstack"
    allow_fewer_than_three_members: bool = False
    allow_inconsistent_etcd: bool = False
    maximum_clock_skew_seconds: Seconds = 2.0
    clean_rollback: bool = False
    new_ca: bool = False
    backup: Annotated[str, Field(min_length=1)] | None = None
    minimum_certificate_days: Annotated[int, Field(ge=0)] = 7
    decommission: Literal["show", "archive", "remove"] = "show"
    decommission_after: Duration = "7d"
    decommission_ca: bool = False

    manifests_directory: AbsolutePath = "/etc/kubernetes/manifests"
    kept_directory: AbsolutePath = "/etc/kubernetes/unstack"
    fence_timeout_seconds: Seconds = 120
    ready_timeout_seconds: Seconds = 300
    load_balancer_seconds: Annotated[float, Field(ge=0)] = 10
    apiserver_grace_seconds: Annotated[float, Field(ge=0)] = 30
    kubeadm_ignored_preflight_errors: tuple[PreflightCheck, ...] = ()
    pod_probe: bool = True
    pod_probe_image: Image | None = None
    pod_probe_timeout_seconds: Annotated[float, Field(ge=1)] = 90

    etcd_image: str
    etcd_version: str | None = None
    etcd_data_directory: AbsolutePath = "/var/lib/etcd-external"
    etcd_config_directory: AbsolutePath = "/etc/etcd"
    etcd_container: Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$")] = "etcd"
    etcd_client_port: Port = 2379
    etcd_peer_port: Port = 2380
    etcd_metrics_port: Port = 2381
    etcd_quota_backend_bytes: Annotated[int, Field(ge=2**26)] = 8 * 2**30
    etcd_heartbeat_interval_milliseconds: Annotated[int, Field(ge=10, le=10_000)] = 100
    etcd_election_timeout_milliseconds: Annotated[int, Field(ge=50, le=50_000)] = 1000
    compose_command: Literal["auto", "docker compose", "docker-compose"] = "auto"
    disk_factor: Annotated[float, Field(ge=1)] = 3.0
    start_timeout_seconds: Seconds = 60

    @property
    def rehearsal_directory(self) -> str:
        """Where all lies that a rehearsal puts on a master, and nothing else."""
        return f"{self.state_directory}/rehearsal"

    @property
    def backup_directory(self) -> str:
        """Where a live migration's backup lies on the first master, apart from snapshots to migrate by."""
        return f"{self.state_directory}/backup"

    @property
    def soak_time(self) -> timedelta:
        """How long the external cluster has to have been in use: `decommission_after`."""
        return timedelta(**{DURATION_UNITS[self.decommission_after[-1]]: int(self.decommission_after[:-1])})

    @property
    def version(self) -> EtcdVersion:
        """The external cluster's etcd version: `etcd_version`, or else the image's tag."""
        if self.etcd_version is not None:
            return EtcdVersion.parse(self.etcd_version)
        version = EtcdVersion.of_image(self.etcd_image)
        if version is None:
            raise ValueError(f"etcd_image {self.etcd_image!r} has no version in its tag")
        return version

    @model_validator(mode="after")
    def version_is_known(self) -> Settings:
        """Flags and refusals depend on the version, so it must be known before a host is touched."""
        try:
            _ = self.version
        except ValueError as error:
            raise ValueError(f"{error}; set etcd_version to what the image holds") from None
        return self

    @model_validator(mode="after")
    def ports_differ(self) -> Settings:
        """etcd would fail to listen, and only once the old cluster is fenced."""
        ports = (self.etcd_client_port, self.etcd_peer_port, self.etcd_metrics_port)
        if len(set(ports)) < len(ports):
            raise ValueError(f"etcd's client, peer and metrics ports {ports} are not all different")
        return self

    @model_validator(mode="after")
    def election_outlasts_heartbeats(self) -> Settings:
        """etcd's tuning guide: at least five heartbeats within one election timeout."""
        if self.etcd_election_timeout_milliseconds < 5 * self.etcd_heartbeat_interval_milliseconds:
            raise ValueError("etcd_election_timeout_milliseconds is below five heartbeat intervals")
        return self
