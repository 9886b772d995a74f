"""Which resources a question is about, and which series are theirs. In: a resource's words, a selector, the world. Out: keys, matches.

Pure. Kinds that proxies do not name (ReplicaSets, CronJobs) are found through their pods. Never here: numbers.
Limits: NAMES pods or Jobs one match names.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from isthmus import names, selector
from isthmus.errors import BadValue
from isthmus.rpc import insight_pb2 as insight
from isthmus.rpc import viz_pb2 as pb
from isthmus.serve.refusal import Refused
from isthmus.viz.ask import query, samples
from isthmus.viz.cluster import kinds, world

NAMES = 500
TEXT = 253


@dataclass(frozen=True, slots=True)
class Subject:
    """Resources of one kind; an empty namespace or name means all. `chosen`: what a label selector takes, None without one."""

    kind: kinds.Kind
    namespace: str = ""
    name: str = ""
    chosen: frozenset[names.Key] | None = None

    def takes(self, key: names.Key) -> bool:
        """Whether a resource of that name is meant."""
        inside = self.kind.word == "namespace" or not self.namespace or key.namespace == self.namespace
        return inside and (not self.name or key.name == self.name) and (self.chosen is None or key in self.chosen)


def subjects(selection: pb.ResourceSelection, known: world.World) -> list[Subject]:
    """What a selection asks for: one, or one for each kind of `all`.

    Raises:
        Refused: no such kind, or a selector or a name that is none.
    """
    asked = selection.resource
    made = [
        Subject(kind, *place(kind, asked.namespace, asked.name), selected(kind, selection.label_selector, known))
        for kind in kinds.several(asked.type)
    ]
    if asked.name and len(made) > 1:
        raise Refused("invalid", f"all is asked without a name, not with {asked.name!r}")
    return made


def one(asked: pb.Resource | insight.Subject, known: world.World, label_selector: str = "") -> Subject:
    """A resource of one kind. Raises Refused as `subjects`."""
    kind = kinds.find(asked.type if isinstance(asked, pb.Resource) else asked.kind)
    return Subject(kind, *place(kind, asked.namespace, asked.name), selected(kind, label_selector, known))


def place(kind: kinds.Kind, namespace: str, name: str) -> tuple[str, str]:
    """Namespace and name, checked; a namespace stands in none."""
    for text, what in ((namespace, "namespace"), (name, "name")):
        if len(text) > TEXT or any(c in text for c in "\n\0"):
            raise Refused("invalid", f"{what} {text[:40]!r} is no name of a resource")
    return ("", name) if kind.word == "namespace" else (namespace, name)


def selected(kind: kinds.Kind, text: str, known: world.World) -> frozenset[names.Key] | None:
    """The resources whose labels a selector takes; None without one."""
    if not text:
        return None
    try:
        takes = selector.read(text)
    except BadValue as bad:
        raise Refused("invalid", str(bad.sentence)) from None
    return frozenset(key for key in known.find(kind.word, "") if takes(known.labels(kind.word, key)))


@dataclass(frozen=True, slots=True)
class Handle:
    """How series tell a subject's resources: what must match, which labels to keep, and whom a row is about. `pods`: by pod alone."""

    matches: tuple[query.Match, ...]
    by: tuple[str, ...]
    key: Callable[[samples.Row], names.Key | None]
    pods: bool = False


def handle(subject: Subject, known: world.World, *, far: bool = False) -> Handle:
    """A subject as the pod that measured (or, `far`, as who it called)."""
    before = "dst_" if far else ""
    kind = subject.kind
    space = f"{before}namespace"
    within = (query.equal(space, subject.namespace),) if subject.namespace else ()
    if kind.label:
        label = kind.label if kind.policy[0] or kind.word == "authority" else f"{before}{kind.label}"
        exact = (query.equal(label, subject.name),) if subject.name else (query.there(label),)
        exact += (query.equal(*kind.policy),) if kind.policy[0] else ()
        by = (space, label) if kind.word != "namespace" else (space,)

        def named(row: samples.Row) -> names.Key | None:
            found = names.Key("" if kind.word == "namespace" else row.label(space), row.label(label))
            return found if found.name and subject.takes(found) else None

        return Handle((*within, *exact), by, named)
    return _through(subject, known, before, within)


def _through(subject: Subject, known: world.World, before: str, within: tuple[query.Match, ...]) -> Handle:
    """A kind that series do not name: a CronJob's by its Jobs, a ReplicaSet's by its pods."""
    through = "k8s_job" if subject.kind.word == "cronjob" else "pod"
    space, label = f"{before}namespace", f"{before}{through}"
    owner: dict[names.Key, names.Key] = {}
    for key in known.find(subject.kind.word, subject.namespace, subject.name):
        if subject.takes(key):
            for pod in known.owned(subject.kind.word, key):
                inner = dict(pod.owners).get("job", pod.key.name) if through == "k8s_job" else pod.key.name
                owner[names.Key(key.namespace, inner)] = key
    some = [query.among(label, {key.name for key in owner})] if len(owner) <= NAMES else [query.there(label)]
    return Handle(
        (*within, *some),
        (space, label),
        lambda row: owner.get(names.Key(row.label(space), row.label(label))),
        pods=through == "pod",
    )


def keys(subject: Subject, known: world.World) -> list[names.Key]:
    """The resources that there are, in order."""
    found: Iterable[names.Key] = known.find(subject.kind.word, subject.namespace, subject.name)
    return sorted((key for key in found if subject.takes(key)), key=str)
