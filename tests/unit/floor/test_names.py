"""Names made from other names."""

import pytest

from isthmus import names, units


@pytest.mark.parametrize(
    ("context", "name"),
    [
        pytest.param("east", "east", id="a-name"),
        pytest.param("e2e-west-1", "e2e-west-1", id="a-name-with-dashes"),
        pytest.param("arn:aws:eks:eu-west-1:111122223333:cluster/prod-eu", "prod-eu", id="eks"),
        pytest.param("arn:aws-cn:eks:cn-north-1:111122223333:cluster/Prod_1", "prod-1", id="eks-elsewhere"),
        pytest.param("gke_my-project_europe-west3-a_prod", "prod", id="gke"),
        pytest.param("kubernetes-admin@kubernetes", "kubernetes", id="kubeadm"),
        pytest.param("me@prod.eu-west-1.eksctl.io", "prod", id="eksctl"),
        pytest.param("default/api-shop-example-com:6443/me", "default-api-shop-example-com-6443-me", id="openshift"),
        pytest.param("cluster.example.com", "cluster-example-com", id="dotted"),
        pytest.param("West", "west", id="capital"),
        pytest.param("@", "", id="nothing"),
        pytest.param("東", "", id="no-latin-letter"),
    ],
)
def test_a_context_tells_a_clusters_name(context: str, name: str) -> None:
    assert names.cluster(context) == name


@pytest.mark.parametrize("context", ["x" * 200, "me@" + "y." * 60, "a" * 62 + "-" + "b" * 9])
def test_a_name_is_always_a_label(context: str) -> None:
    assert units.dns_label(names.cluster(context), key="context")
