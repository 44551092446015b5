"""A real kubeadm cluster with stacked etcd, and hosts for an external one, on this machine.

lab = Lab.load()
lab.exec(lab.masters[0], "ls /etc/kubernetes/manifests")
lab.stop(lab.etcd[1])
lab.reset()
"""

from __future__ import annotations

from lab.errors import LabError
from lab.shape import Node, Shape
from lab.state import Lab

__all__ = ["Lab", "LabError", "Node", "Shape"]
