"""The node's configuration files and command lines."""

import dataclasses
import json
import pathlib
import tomllib
from collections.abc import Callable

import pytest

from isthmus.lab import layout
from isthmus.lab.node import configs, parts, spec


def make(containerd: tuple[int, int] = (1, 6), cluster: int = 1) -> spec.Spec:
    lab = layout.plan(pathlib.Path("/lab"), "isthmus", ["east", "west"])
    return spec.Spec(
        lab.clusters[cluster - 1],
        True,
        pathlib.Path("/bin"),
        "/a:/b",
        pathlib.Path("/cni"),
        containerd,
        1,
        (pathlib.Path("/i.tar"),),
        (),
        60.0,
    )


def test_containerd_1_speaks_version_2_of_its_configuration() -> None:
    read = tomllib.loads(configs.containerd(make((1, 6))))
    cri = read["plugins"]["io.containerd.grpc.v1.cri"]
    assert read["version"] == 2
    assert (cri["sandbox_image"], cri["restrict_oom_score_adj"]) == (configs.PAUSE, True)
    assert (cri["cni"]["bin_dir"], cri["cni"]["conf_dir"]) == ("/cni", "/lab/clusters/east/cni")
    assert cri["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": False}


def test_containerd_2_speaks_version_3() -> None:
    read = tomllib.loads(configs.containerd(make((2, 0))))
    runtime = read["plugins"]["io.containerd.cri.v1.runtime"]
    assert read["version"] == 3
    assert read["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == configs.PAUSE
    assert "sandbox_image" not in runtime
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": False}


@pytest.mark.parametrize(
    "version, key, value",
    [
        ((1, 7), "bin_dir", "/cni"),
        ((2, 0), "bin_dir", "/cni"),
        ((2, 1), "bin_dirs", ["/cni"]),
        ((2, 4), "bin_dirs", ["/cni"]),
        ((3, 0), "bin_dirs", ["/cni"]),
    ],
)
def test_the_key_for_cni_plugins_is_the_one_that_containerd_reads(
    version: tuple[int, int], key: str, value: object
) -> None:
    plugins = tomllib.loads(configs.containerd(make(version)))["plugins"]
    cni = next(plugin["cni"] for plugin in plugins.values() if "cni" in plugin)
    assert {name: got for name, got in cni.items() if name.startswith("bin")} == {key: value}


def test_files_are_of_the_cluster() -> None:
    files = configs.files(make(cluster=2))
    assert json.loads(files["kube-proxy.yaml"])["hostnameOverride"] == "west"
    assert json.loads(files["kubelet.yaml"])["clusterDNS"] == ["10.30.0.10"]
    assert json.loads(files["cni/10-pods.conflist"])["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.20.0.0/16"}]]


def test_nothing_writes_the_machines_sysctls() -> None:
    said = configs.kube_proxy(make())
    assert set(said["conntrack"].values()) == {0, "0s"}  # type: ignore[attr-defined]
    assert configs.kubelet(make())["enforceNodeAllocatable"] == []


def test_cluster_dns_is_created_in_order() -> None:
    paths = [path for path, _ in configs.coredns(make())]
    assert paths[0].endswith("serviceaccounts")
    assert paths[-1].endswith("deployments")
    assert dict(configs.coredns(make()))[paths[4]]["spec"]["clusterIP"] == "10.30.0.10"  # type: ignore[index]


@pytest.mark.parametrize(
    "part", [parts.etcd, parts.apiserver, parts.controllers, parts.scheduler, parts.kubelet, parts.proxy]
)
def test_our_own_programs_come_from_the_binaries_folder(part: Callable[[spec.Spec], parts.Part]) -> None:
    made = part(make())
    assert made.argv[0] == f"/bin/{made.name}"
    assert all(isinstance(word, str) for word in made.argv)


def test_the_api_server_advertises_its_wan_address() -> None:
    words = parts.apiserver(make(cluster=2)).argv
    assert "--advertise-address=10.99.0.2" in words
    assert "--service-cluster-ip-range=10.30.0.0/16" in words


def test_a_spec_survives_the_way_to_the_node(tmp_path: pathlib.Path) -> None:
    told = dataclasses.replace(make((2, 4)), keep=(pathlib.Path("/var/lib/x"),))
    told.save(tmp_path / "node.json")
    assert spec.load(tmp_path / "node.json") == told
