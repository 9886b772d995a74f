"""What a proxy learns of a destination as a whole: its profile. In: the world, an address or name, who asks. Out: a DestinationProfile.

A Service's profile is the client's namespace's, else that of the Service's own. A route takes the profile's place whole, and a
TrafficSplit its weights (docs/decisions/0003-split-precedence.md): proxies prefer profiles with routes or overrides to policy, so
those are left out, or made to say the same, where policy has the word. Never here: endpoints of Services (see `endpoints`).
"""

from isthmus import names, service, split, workload
from isthmus.destination import ask, endpoints, profiles, wire, world
from isthmus.rpc import destination_pb2 as pb
from isthmus.serve import refusal


def profile(known: world.World, asked: ask.Named | ask.Address, client: ask.Client) -> pb.DestinationProfile:
    """The profile of an address or a name.

    Raises:
        refusal.Refused: two objects claim the address (conflict), or the name's Service is external (invalid).
    """
    if isinstance(asked, ask.Named):
        found = known.services.get(asked.service)
        if found is None:
            return wire.bare_profile(opaque=asked.port in known.mesh.opaque)
        if found.external:
            raise refusal.Refused(
                "invalid", f"Service {asked.service} is an ExternalName; ask for the name it stands for"
            )
        return _of_host(known, found, asked, client) if asked.host else _of_service(known, found, asked.port, client)
    services = known.services_at(asked.ip)
    if len(services) > 1:
        raise refusal.Refused("conflict", f"{asked.ip} belongs to Services {services[0].key} and {services[1].key}")
    if services:
        return _of_service(known, services[0], asked.port, client)
    return _of_address(known, asked, client)


def _of_service(known: world.World, found: service.Service, port: int, client: ask.Client) -> pb.DestinationProfile:
    if found.port(port) is None:
        return pb.DestinationProfile()
    answer = wire.bare_profile(opaque=found.protocol(port) == "opaque")
    answer.fully_qualified_name = names.fq_service(found.key.name, found.key.namespace, known.mesh.cluster_domain)
    answer.parent_ref.CopyFrom(wire.reference("core", "Service", found.key, port))
    chosen = chosen_profile(known, found.key, client.namespace)
    if chosen is not None:
        answer.profile_ref.CopyFrom(wire.reference("linkerd.io", "ServiceProfile", chosen.key))
        if chosen.budget is not None:
            answer.retry_budget.CopyFrom(chosen.budget)
        _fill(known, answer, chosen, found, port, client.namespace)
    return answer


def chosen_profile(known: world.World, key: names.Key, client_ns: str) -> profiles.Profile | None:
    """The ServiceProfile that counts for clients in a namespace: theirs wins over the Service's."""
    name = names.fq_service(key.name, key.namespace, known.mesh.cluster_domain)
    return known.profiles.get(names.Key(client_ns, name)) or known.profiles.get(names.Key(key.namespace, name))


def _fill(
    known: world.World,
    answer: pb.DestinationProfile,
    chosen: profiles.Profile,
    found: service.Service,
    port: int,
    client_ns: str,
) -> None:
    """Routes and overrides, as far as they may speak."""
    match known.claims.ruler(found.key, port, client_ns, overrides=bool(chosen.overrides)):
        case split.Ruler.ROUTE:
            return
        case split.Ruler.SPLIT:
            ruling = known.claims.split(found.key)
            # Without routes the profile stays silent, so that proxies take the split from policy.
            if ruling and chosen.routes:
                for backend, weight in ruling.backends:
                    name = names.fq_service(backend.name, backend.namespace, known.mesh.cluster_domain)
                    answer.dst_overrides.add(authority=f"{name}:{port}", weight=weight)
        case _:
            for authority, weight in chosen.overrides:
                answer.dst_overrides.add(authority=_with_port(authority, port), weight=weight)
    answer.routes.extend(chosen.routes)


def _with_port(authority: str, port: int) -> str:
    name = authority.removesuffix(".")
    return name if ":" in name else f"{name}:{port}"


def _of_host(known: world.World, found: service.Service, asked: ask.Named, client: ask.Client) -> pb.DestinationProfile:
    """The one pod with that hostname; an address that is no pod's, such as a headless mirror's, is given as it is."""
    for one in endpoints.snapshot(known, asked, client).endpoints.values():
        pods = [p for p in known.pods_at(one.ip) if not p.host_network and one.ip in p.ips]
        opaque = known.opaque_at(pods[0], one.port) if pods else found.protocol(asked.port) == "opaque"
        return _of_endpoint(one, opaque=opaque, namespace=found.key.namespace)
    return wire.bare_profile(opaque=found.protocol(asked.port) == "opaque")


def _of_address(known: world.World, asked: ask.Address, client: ask.Client) -> pb.DestinationProfile:
    pods = [(p, port) for p in known.pods_at(asked.ip) if (port := _port_in(p, asked)) is not None]
    if len(pods) > 1:
        raise refusal.Refused(
            "conflict", f"{asked.ip}:{asked.port} belongs to Pods {pods[0][0].key} and {pods[1][0].key}"
        )
    if not pods:
        bare = endpoints.Endpoint(asked.ip, asked.port)
        return _of_endpoint(bare, opaque=asked.port in known.mesh.opaque, namespace="")
    pod, port = pods[0]
    zone, near = known.zones.get(pod.node, ""), known.zones.get(client.node, "")
    # Behind a host's port stands the pod's own: only there its proxy takes transport headers.
    ip = asked.ip if asked.ip in pod.ips else pod.ips[0]
    one = endpoints.of_pod(known, pod, ip, port, endpoints.zone_labels(zone, near))
    return _of_endpoint(one, opaque=known.opaque_at(pod, port), namespace=pod.key.namespace)


def _port_in(pod: workload.Pod, asked: ask.Address) -> int | None:
    """The pod's port that an address leads to: any of its own, or one it holds on its host."""
    return asked.port if asked.ip in pod.ips else pod.host_ports.get(asked.port) if pod.ips else None


def _of_endpoint(one: endpoints.Endpoint, *, opaque: bool, namespace: str) -> pb.DestinationProfile:
    answer = wire.bare_profile(opaque=opaque)
    answer.endpoint.CopyFrom(wire.weighted(one))
    if namespace:
        answer.endpoint.metric_labels["namespace"] = namespace
    return answer
