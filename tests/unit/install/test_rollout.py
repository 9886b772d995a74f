"""Applying in order, waiting with an end, telling what would change, taking out in order."""

import pytest
from lightkube.models import core_v1, meta_v1
from lightkube.models.apps_v1 import DeploymentSpec, DeploymentStatus
from lightkube.resources.apps_v1 import Deployment

from isthmus import names
from isthmus.errors import IsthmusError
from isthmus.install import core, removal, rollout, state
from tests.unit.install import builders as b
from tests.unit.install import server


def quiet(_line: str) -> None: ...


def deployment(generation=1, observed=1, wanted=1, updated=1, available=1, total=1) -> Deployment:
    spec = DeploymentSpec(selector=meta_v1.LabelSelector(), template=core_v1.PodTemplateSpec(), replicas=wanted)
    status = DeploymentStatus(
        replicas=total, updatedReplicas=updated, availableReplicas=available, observedGeneration=observed
    )
    return Deployment(metadata=meta_v1.ObjectMeta(name="web", generation=generation), spec=spec, status=status)


@pytest.mark.parametrize(
    ("facts", "done", "text"),
    [
        pytest.param({}, True, "1/1", id="rolled out"),
        pytest.param({"observed": 0}, False, "0/1", id="not seen by its controller yet"),
        pytest.param({"available": 0}, False, "0/1", id="not available"),
        pytest.param({"wanted": 3, "updated": 3, "available": 2, "total": 3}, False, "2/3", id="one to come"),
        pytest.param({"updated": 0}, False, "0/1", id="old pods only"),
        pytest.param({"total": 2}, False, "1/1", id="an old pod still goes"),
        pytest.param({"wanted": 0, "updated": 0, "available": 0, "total": 0}, True, "0/0", id="none wanted"),
    ],
)
def test_progress(facts, done, text):
    found = rollout.progress_of(deployment(**facts))
    assert (found.done, found.text) == (done, text)


def test_what_others_stand_on_comes_first():
    order = [{d["kind"] for d in row} for row in rollout.tiers(b.rendered())]
    assert order[0] == {"Namespace", "CustomResourceDefinition"}
    place = {kind: number for number, row in enumerate(order) for kind in row}
    assert place["Secret"] < place["Deployment"] < place["Server"]
    assert place["Role"] < place["RoleBinding"]


async def test_everything_is_applied_and_definitions_are_waited_for():
    fake = server.Server()
    async with fake.client() as client:
        await rollout.apply(client, b.rendered(), quiet)
    assert len(fake.objects) == len(b.rendered())
    asked = fake.calls.index(
        "GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions/links.multicluster.linkerd.io"
    )
    assert asked < next(i for i, call in enumerate(fake.calls) if "/servers/" in call)


class Leaving(server.Server):
    """Namespace `linkerd` is on its way out, and gone once it was asked about `asks` times."""

    def __init__(self, asks: int) -> None:
        held = {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "a finalizer of x/y"}
        super().__init__()
        self.asks = asks
        self.objects["/api/v1/namespaces/linkerd"] = {
            "metadata": {"name": "linkerd", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"conditions": [held]},
        }

    def answer(self, request):
        if request.method == "GET" and request.url.path == "/api/v1/namespaces/linkerd":
            self.asks -= 1
            if self.asks < 0:
                self.objects.pop(request.url.path, None)
        return super().answer(request)


async def test_a_namespace_on_its_way_out_is_waited_for():
    fake, said = Leaving(2), list[str]()
    async with fake.client() as client:
        await rollout.apply(client, b.rendered(), said.append)
    assert said.count("waiting for Namespace linkerd to be gone") == 2
    assert len(fake.objects) == len(b.rendered())


async def test_a_namespace_that_does_not_go_is_told_with_what_holds_it_and_nothing_is_applied():
    fake = Leaving(10**6)
    async with fake.client() as client:
        with pytest.raises(
            IsthmusError, match="Namespace linkerd is still there after 0 s: a finalizer of x/y"
        ) as late:
            await rollout.apply(client, b.rendered(), quiet, gone_within=0.1)
    assert late.value.hint
    assert [call for call in fake.calls if call.startswith("PATCH")] == []


async def test_a_refusal_names_the_cause():
    class Full(server.Server):
        def answer(self, request):
            return server.httpx2.Response(403, json={"reason": "Forbidden", "message": "namespaces is forbidden"})

    async with Full().client() as client:
        with pytest.raises(IsthmusError, match="namespaces is forbidden"):
            await rollout.apply(client, b.rendered(), quiet)


async def test_a_deployment_that_never_comes_is_named_with_what_its_pods_say():
    fake = server.Server()
    async with fake.client() as client:
        await rollout.apply(client, [d for d in b.rendered() if d["kind"] == "Deployment"][:1], quiet)
        labels = b.find(b.rendered(), "Deployment", "linkerd-identity")["spec"]["selector"]["matchLabels"]
        waiting: server.Doc = {"name": "identity", "image": "", "imageID": "", "ready": False, "restartCount": 0}
        waiting["state"] = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
        fake.objects["/api/v1/namespaces/linkerd/pods/p"] = {
            "metadata": {"name": "p", "labels": labels},
            "status": {"containerStatuses": [waiting]},
        }
        with pytest.raises(IsthmusError) as late:
            await rollout.wait(
                client, [d for d in b.rendered() if d["kind"] == "Deployment"][:1], quiet, quiet, deadline=0.1
            )
    assert "linkerd/linkerd-identity is not ready" in late.value.sentence
    assert "ImagePullBackOff (no such image)" in late.value.sentence


async def test_changes_are_told_without_making_them():
    fake = server.Server()
    docs = [d for d in b.rendered() if d["kind"] == "Service"]
    async with fake.client() as client:
        await rollout.apply(client, docs[1:], quiet)
        before = dict(fake.objects)
        docs[1] = {**docs[1], "spec": {**docs[1]["spec"], "type": "NodePort"}}
        words = [word for word, _ in await rollout.changes(client, docs)]
    assert words[:3] == ["create", "change", "unchanged"]
    assert fake.objects == before


async def installed() -> server.Server:
    fake = server.Server()
    async with fake.client() as client:
        await rollout.apply(client, b.rendered(), quiet)
    fake.calls.clear()
    return fake


async def test_what_is_installed_is_read_back():
    fake = await installed()
    async with fake.client() as client:
        found = await state.read(client, "linkerd")
    assert found.values == b.plan().values
    assert found.trust is not None
    assert (found.trust.anchors, found.trust.issuer) == (b.certificates().anchors, b.certificates().issuer)
    assert found.webhook == b.webhook()
    assert found.present == frozenset()


async def test_a_bare_cluster_has_nothing():
    async with server.Server().client() as client:
        assert await state.read(client, "linkerd") == state.State()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            lambda f: f.objects["/api/v1/namespaces/linkerd/configmaps/linkerd-config"].update(
                data={"values": "linkerdVersion: e1"}
            ),
            "e1",
            id="values",
        ),
        pytest.param(lambda f: hook_labels(f).pop(names.PART_OF_LABEL), "has no label", id="its webhook"),
        pytest.param(
            lambda f: hook_labels(f).update({names.CONTROL_PLANE_NS_LABEL: "mesh"}),
            "in namespace 'mesh'",
            id="ours, elsewhere",
        ),
    ],
)
async def test_what_is_not_ours_is_refused(change, said):
    fake = await installed()
    change(fake)
    async with fake.client() as client:
        with pytest.raises(IsthmusError, match=said):
            await state.read(client, "linkerd")


def hook_labels(fake: server.Server) -> dict[str, str]:
    place = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{core.WEBHOOK}"
    labels: dict[str, str] = fake.objects[place]["metadata"]["labels"]
    return labels


async def test_a_definition_of_others_is_present_ours_is_not():
    fake = await installed()
    place = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/trafficsplits.split.smi-spec.io"
    fake.objects[place]["metadata"]["labels"] = {}
    async with fake.client() as client:
        assert (await state.read(client, "linkerd")).present == frozenset({"trafficsplits.split.smi-spec.io"})


async def test_the_webhook_goes_first_and_definitions_last():
    fake = await installed()
    async with fake.client() as client:
        docs = await removal.found(client, "linkerd")
        fake.calls.clear()
        await removal.remove(client, docs, quiet, quiet)
    gone = [call.split("/")[-2] for call in fake.calls if call.startswith("DELETE")]
    assert gone[0] == "mutatingwebhookconfigurations"
    assert set(gone[-5:]) == {"customresourcedefinitions"}
    assert [place for place in fake.objects if "namespaces/" not in place] == []


async def test_a_borrowed_definition_in_use_stays_and_is_told():
    fake = await installed()
    fake.objects["/apis/split.smi-spec.io/v1alpha2/trafficsplits/mine"] = {"metadata": {"name": "mine"}}
    told: list[str] = []
    async with fake.client() as client:
        await removal.remove(client, await removal.found(client, "linkerd"), quiet, told.append)
    assert "trafficsplits.split.smi-spec.io stays" in told[0]
    assert "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/trafficsplits.split.smi-spec.io" in fake.objects


async def test_a_persons_namespace_with_our_label_stays():
    fake = await installed()
    fake.objects["/api/v1/namespaces/shop"] = {
        "metadata": {"name": "shop", "labels": {names.PART_OF_LABEL: names.PART_OF}}
    }
    async with fake.client() as client:
        spaces = {d["metadata"]["name"] for d in await removal.found(client, "linkerd") if d["kind"] == "Namespace"}
    assert spaces == {"linkerd", names.MULTICLUSTER_NS}


RIGHTS = {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
PART = {"ServiceAccount", "Service", "Deployment"}


@pytest.mark.parametrize(
    ("before", "now", "goes"),
    [
        pytest.param({}, {}, set(), id="nothing changes"),
        pytest.param({"dashboardOpen": "true"}, {}, RIGHTS, id="a dashboard is closed"),
        pytest.param({}, {"dashboard": "false"}, PART | {"ClusterRole"}, id="no dashboard"),
    ],
)
async def test_what_a_setting_gave_goes_with_it(before: dict[str, str], now: dict[str, str], goes: set[str]):
    fake = server.Server()
    async with fake.client() as client:
        await rollout.apply(client, b.viz(**before), quiet)
        over = await removal.left(client, b.viz(**now), extension="viz", space=names.VIZ_NS)
        assert {doc["kind"] for doc in over} == goes
        await removal.remove_documents(client, over, quiet, quiet)
        assert await removal.left(client, b.viz(**now), extension="viz", space=names.VIZ_NS) == []
