"""The bad-input list, cases 41 to 49: certificates, names and TLS itself, against the real binary."""

import datetime
import ipaddress
import pathlib
import ssl
import struct

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from tests.wire import bad, certificates, conftest, pods, raw, world
from tests.wire.certificates import Leaf, Signer

pytestmark = pytest.mark.wire

ASK = b"GET /tls HTTP/1.1\r\nhost: evil\r\nconnection: close\r\n\r\n"
DAY = datetime.timedelta(days=1)
PROPER = [x509.DNSName(world.identity("stranger"))]
INBOUND = "inbound_refused_total"


@pytest.fixture
def bench(stage: conftest.Stage, state: world.State) -> bad.Bench:
    return bad.open_bench(stage)


def leaves(root: Signer) -> dict[str, tuple[Signer, str]]:
    """Clients that must be refused, and why."""
    critical = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    permitted = x509.NameConstraints([x509.DNSName("elsewhere.test")], None)
    misused = certificates.sign(root, Leaf(PROPER))
    short = certificates.intermediate(certificates.intermediate(root, length=0))
    other = certificates.new_root("root.linkerd.other.domain")

    def signed(leaf: Leaf, by: Signer = root) -> Signer:
        return certificates.sign(by, leaf)

    spiffe = [x509.UniformResourceIdentifier(f"spiffe://test/{name}") for name in ("a", "b")]
    odd = x509.UniformResourceIdentifier("spiffe://test/a\r\nl5d-client-id: b")
    return {
        "28 lines in the name": (signed(Leaf([odd])), "tls_odd_name"),
        "41 a common name alone": (signed(Leaf([], common=world.identity("stranger"))), "tls_nobody"),
        "41 an address alone": (signed(Leaf([x509.IPAddress(ipaddress.ip_address("10.9.0.254"))])), "tls_nobody"),
        "41 two identities": (signed(Leaf(spiffe)), "tls_two_names"),
        "41 wrong trust domain": (signed(Leaf(PROPER), other), "tls_unknown_issuer"),
        "41 expired": (signed(Leaf(PROPER, starts=-2 * DAY, ends=-DAY)), "tls_expired"),
        "41 not yet valid": (signed(Leaf(PROPER, starts=DAY, ends=2 * DAY)), "tls_not_yet_valid"),
        "41 wrong use": (signed(Leaf(PROPER, usage=[ExtendedKeyUsageOID.SERVER_AUTH])), "tls_purpose"),
        "41 for code": (signed(Leaf(PROPER, usage=[ExtendedKeyUsageOID.CODE_SIGNING])), "tls_purpose"),
        "42 a leaf that signs": (signed(Leaf(PROPER), misused), "tls_constraint"),
        "42 an authority as a client": (signed(Leaf(PROPER, ca=True)), "tls_constraint"),
        "42 a path too long": (signed(Leaf(PROPER), short), "tls_constraint"),
        "42 a name not permitted": (
            signed(Leaf(PROPER), certificates.intermediate(root, extra=[(permitted, True)])),
            "tls_constraint",
        ),
        "42 an unknown critical extension": (signed(Leaf(PROPER, extra=[(critical, True)])), "tls_constraint"),
    }


def attempt(bench: bad.Bench, chain: pathlib.Path, alpn: str | None = raw.ALPN) -> raw.Answer:
    """A request with that certificate. In TLS 1.3 a client learns of its refusal after its own side is done."""
    try:
        sock = bench.mesh("server", chain, alpn)
    except (ssl.SSLError, OSError):
        return raw.Answer(b"", "reset")
    return raw.ask(sock, (raw.header(bad.H1) if alpn else b"") + ASK, 10)


def test_proper_clients_are_let_in(bench: bad.Bench) -> None:
    """The same way in, with nothing wrong: what is refused below is refused for what is wrong with it."""
    root = certificates.root(bench.stage.ca)
    for name, by in (("root", root), ("intermediate", certificates.intermediate(root, length=0))):
        chain = certificates.write(bench.stage.ca / f"{name}.pem", certificates.sign(by, Leaf(PROPER)))
        # The policy that an earlier test gave this port may rule for a moment yet.
        pods.wait_for(lambda chain=chain: attempt(bench, chain).status == 200, 5, f"a client signed by the {name}")


def test_wrong_certificates_are_refused_each_for_its_reason(bench: bad.Bench) -> None:
    """Cases 41 and 42."""
    for case, (signed, reason) in leaves(certificates.root(bench.stage.ca)).items():
        chain = certificates.write(bench.stage.ca / "wrong.pem", signed)
        with bad.counted(bench.stage.server, INBOUND, reason):
            answer = attempt(bench, chain)
        assert not answer.data and answer.end != "open", case


def test_a_client_without_a_certificate_is_nobody(bench: bad.Bench) -> None:
    """Case 41: on our own port nobody gets in."""
    context = raw.context(bench.stage.ca / "ca.pem", None, raw.ALPN)
    with bad.counted(bench.stage.server, INBOUND, "direct_anonymous"):
        plain = raw.connect(world.IPS["server"], 4143)
        with context.wrap_socket(plain, server_hostname=world.identity("server")) as sock:
            assert not raw.ask(sock, raw.header(bad.H1) + ASK).data


def test_service_accounts_are_compared_whole(bench: bad.Bench, state: world.State) -> None:
    """Case 45: `cert-manager.io` is not `cert-manager-io`."""
    name = "cert-manager.io"
    authz = {
        "networks": [{"net": {"ip": {"ipv4": 0}, "prefixLen": 0}}],
        "authentication": {"meshTLS": {"identities": {"identities": [{"name": world.identity(name)}]}}},
    }
    server = {"protocol": {"opaque": {}}, "authorizations": [authz]}
    state.edit("ports", "8070", {"proto": server})
    root = certificates.root(bench.stage.ca)
    chains = {
        account: certificates.write(
            bench.stage.ca / f"{account}.pem", certificates.sign(root, Leaf([x509.DNSName(world.identity(account))]))
        )
        for account in (name, "cert-manager-io", "x" + name)
    }

    def opaque(account: str) -> bytes:
        return raw.ask(bench.mesh("server", chains[account]), raw.header(bad.H1, session="") + ASK, 3).data

    pods.wait_for(lambda: not opaque("cert-manager-io"), 5, "the policy")
    assert opaque(name).startswith(b"HTTP/1.1 200")
    assert not opaque("cert-manager-io") and not opaque("x" + name)


def hello(name: bytes | None, versions: bytes = b"\x03\x04", extra: bytes = b"") -> bytes:
    """A client hello by hand."""

    def block(kind: int, body: bytes) -> bytes:
        return struct.pack(">HH", kind, len(body)) + body

    extensions = block(43, bytes([len(versions)]) + versions) + block(10, b"\0\2\0\x1d") + block(13, b"\0\2\4\3")
    extensions += block(51, b"\0\x24\0\x1d\0\x20" + bytes(range(32))) + extra
    if name is not None:
        entry = b"\0" + struct.pack(">H", len(name)) + name
        extensions += block(0, struct.pack(">H", len(entry)) + entry)
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0" + struct.pack(">H", len(extensions)) + extensions
    message = b"\1" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\3\1" + struct.pack(">H", len(message)) + message


@pytest.mark.parametrize(
    "name",
    [None, b"10.9.0.3", b"a" * 300, b"*.default.serviceaccount", b"a\0b", b"", b"x\r\ny", b"nobody.test"],
    ids=["absent", "address", "300 bytes", "wildcard", "NUL", "empty", "lines", "other"],
)
def test_odd_server_names_are_not_ours(bench: bad.Bench, name: bytes | None) -> None:
    """Case 44: on our own port refused; on the application's port it is the application's TLS, which the rule lets through."""
    with bad.counted(bench.stage.server, INBOUND, "direct_name"):
        answer = raw.ask(raw.connect(world.IPS["server"], 4143), hello(name), 3)
    assert not answer.data and answer.end != "open"
    # The evil server knows no TLS: it waits for the end of a head, so nothing comes back, and nothing breaks.
    assert raw.ask(raw.connect(world.IPS["server"], bad.H1), hello(name), 0.3).data == b""


@pytest.mark.parametrize("port", [4143, 8070], ids=["direct", "transparent"])
@pytest.mark.parametrize("case", ["1.0", "1.1", "1.2"])
def test_tls_below_1_3_is_refused(bench: bad.Bench, case: str, port: int) -> None:
    """Case 49."""
    old = {"1.0": b"\3\1", "1.1": b"\3\2", "1.2": b"\3\3"}[case]
    sent = hello(world.identity("server").encode(), old)
    with bad.counted(bench.stage.server, INBOUND, "tls_version"):
        answer = raw.ask(raw.connect(world.IPS["server"], port), sent, 3)
    # An alert: fatal, protocol_version.
    assert answer.data == b"\x15\3\3\0\2\2\x46" and answer.end != "open"


def test_openssl_without_1_3_is_refused(bench: bad.Bench) -> None:
    context = raw.context(bench.stage.ca / "ca.pem", bench.chain, raw.ALPN)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    plain = raw.connect(world.IPS["server"], 4143)
    with pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname=world.identity("server"))


def test_suites_are_those_of_1_3_and_no_early_data_is_offered(bench: bad.Bench) -> None:
    """Case 49: a session ticket, should one come, names no early data, and a hello with early data gets none."""
    with bench.mesh("server") as sock:
        cipher = sock.cipher()
        assert cipher and cipher[1] == "TLSv1.3" and cipher[0].startswith("TLS_")
        assert sock.selected_alpn_protocol() == raw.ALPN and not sock.session_reused
        raw.send(sock, raw.header(bad.H1) + ASK)
        raw.read(sock, 3)
        if sock.session is not None and sock.session.has_ticket:
            assert sock.session.ticket_lifetime_hint <= 7 * 86_400
    early = hello(world.identity("server").encode(), extra=struct.pack(">HH", 42, 0))
    smuggled = b"\x17\3\3" + struct.pack(">H", 64) + bytes(64)
    answer = raw.ask(raw.connect(world.IPS["server"], bad.H1), early + smuggled + ASK, 3)
    assert b"HTTP/1.1" not in answer.data and answer.end != "open"


def test_no_group_or_suite_in_common_is_refused(bench: bad.Bench) -> None:
    """Case 49: a weak group alone."""
    weak = (
        hello(world.identity("server").encode())
        .replace(b"\0\2\0\x1d", b"\0\2\x01\x00")
        .replace(b"\0\x24\0\x1d\0\x20", b"\0\x24\x01\x00\0\x20")
    )
    with bad.counted(bench.stage.server, INBOUND, "tls_parameters"):
        answer = raw.ask(raw.connect(world.IPS["server"], 4143), weak, 3)
    assert answer.end != "open" and answer.data[:1] in (b"\x15", b"")


@pytest.mark.parametrize(
    "sent, reason",
    [
        (b"\x16\3\1\xff\xff" + b"\1" + bytes(20_000), "direct_clear_text"),
        (b"GET / HTTP/1.1\r\n\r\n", "direct_clear_text"),
        (hello(world.identity("server").encode()) + b"\x17\3\3\0\1\0" * 40, "tls_malformed"),
    ],
    ids=["endless hello", "clear text", "records of rubbish"],
)
def test_what_is_no_tls_is_refused_on_our_own_port(bench: bad.Bench, sent: bytes, reason: str) -> None:
    with bad.counted(bench.stage.server, INBOUND, reason):
        assert raw.ask(raw.connect(world.IPS["server"], 4143), sent, 3).end != "open"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nhost: evil\r\n\r\n",
        b"transport.l5d.io/v1\r\n\r\n\xff\xff\xff\xff",
        b"transport.l5d.io/v1\r\n\r\n\0\0\0\2\x08\x00",
        b"transport.l5d.io/v1\r\n\r\n\0\0\0\x0b\x08\x50\x12\x07a\r\nb: c",
    ],
    ids=["none", "4 GB", "no port", "lines in the name"],
)
def test_malformed_transport_headers_are_refused(bench: bad.Bench, sent: bytes) -> None:
    with bad.counted(bench.stage.server, INBOUND, "transport_header"):
        assert raw.ask(bench.mesh("server"), sent, 3).end != "open"


def test_transport_headers_that_loop_or_name_what_is_not_ours_are_refused(bench: bad.Bench) -> None:
    gateway = bench.stage.all["gateway"]
    with bad.counted(bench.stage.server, INBOUND, "header_loop"):
        assert raw.ask(bench.mesh("server"), raw.header(4143), 3).end != "open"
    with bad.counted(gateway, INBOUND, "gateway_name"):
        assert raw.ask(bench.mesh("gateway"), raw.header(80, "example.com", ""), 3).end != "open"
