"""What may be asked for."""

import pytest
from cryptography import x509

from isthmus.identity import request
from tests.unit.identity import making
from tests.unit.identity.making import WHO

DNS = x509.DNSName


@pytest.mark.parametrize(
    "identity, token, csr, said",
    [
        pytest.param("", b"t", b"c", "identity is empty", id="no-identity"),
        pytest.param(WHO, b"", b"c", "token is empty", id="no-token"),
        pytest.param(WHO, b"t", b"", "certificate_signing_request is empty", id="no-request"),
        pytest.param("web_shop", b"t", b"c", "no DNS name", id="underscore"),
        pytest.param("a." * 130, b"t", b"c", "no DNS name", id="too-long"),
        pytest.param(WHO, b"\xff", making.csr(), "token is no text", id="token-not-text"),
        pytest.param(WHO, b"t", b"-----BEGIN", "not DER", id="pem-is-refused"),
        pytest.param(WHO, b"t" * 20_000, making.csr(), "longer than", id="token-too-long"),
        pytest.param(WHO, b"t", b"c" * 20_000, "longer than", id="request-too-long"),
    ],
)
def test_malformed(identity: str, token: bytes, csr: bytes, said: str) -> None:
    with pytest.raises(request.Malformed, match=said):
        request.read(identity, token, csr)


@pytest.mark.parametrize("common", ["", "same"])
def test_good(common: str) -> None:
    # A common name of the identity does not fit its limit, unless the identity is short.
    who = "web.shop.test"
    read = request.read(who, b"t", making.csr(DNS(who), common=who if common else ""))
    request.check(read)
    assert (read.identity, read.token) == (who, "t")


@pytest.mark.parametrize(
    "csr, said",
    [
        pytest.param(making.csr(default=False), "no DNS name", id="no-name"),
        pytest.param(making.csr(DNS("other.test")), "asks for other.test", id="another-name"),
        pytest.param(making.csr(DNS(WHO), DNS("more.test")), "more.test", id="one-name-more"),
        pytest.param(making.csr(DNS(WHO), making.IP), "IPAddress", id="an-address"),
        pytest.param(making.csr(DNS(WHO), making.MAIL), "RFC822Name", id="a-mail-address"),
        pytest.param(making.csr(DNS(WHO), making.URI), "UniformResourceIdentifier", id="a-uri"),
        pytest.param(making.csr(common="admin"), "common name is 'admin'", id="another-common-name"),
        pytest.param(making.csr(key=making.RSA), "not ECDSA", id="rsa-key"),
        pytest.param(making.tampered(), "not signed by its own key", id="signature-of-another"),
    ],
)
def test_unmet(csr: bytes, said: str) -> None:
    with pytest.raises(request.Unmet, match=said):
        request.check(request.read(WHO, b"t", csr))
