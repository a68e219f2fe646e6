"""A private certificate authority and the broker's certificate: made, looked at, renewed. Text in, text out."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFE = timedelta(days=20 * 365)
"""Longer than what hangs on walls and knows it."""
SERVER_LIFE = timedelta(days=2 * 365)
RENEW_WITHIN = timedelta(days=240)
"""With a third of its life left a certificate is made anew, whenever somebody runs `anju init`."""
_EARLIER = timedelta(days=1)
"""Valid from a day ago: not every device's clock is right."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, PEM."""

    certificate: str
    key: str

    @property
    def ends(self) -> datetime:
        """Until when it is valid."""
        return x509.load_pem_x509_certificate(self.certificate.encode()).not_valid_after_utc


def new_authority(now_ms: int) -> Pair:
    """A certificate authority of its own, for this deployment alone."""
    return authority_of(_pem(ec.generate_private_key(ec.SECP256R1())), now_ms)


def authority_of(key: str, now_ms: int) -> Pair:
    """The authority whose key this is. Its name comes from the key: made twice, it is the same authority."""
    private = _key(key)
    digest = x509.SubjectKeyIdentifier.from_public_key(private.public_key()).digest
    return Pair(_authority(private, f"Anju CA {digest.hex()[:8]}", now_ms), key)


def belongs(certificate: str, key: str) -> bool:
    """Whether a certificate is that of a key. Raises ValueError where one of them is none."""
    return x509.load_pem_x509_certificate(certificate.encode()).public_key() == _key(key).public_key()


def again(authority: Pair, now_ms: int) -> Pair:
    """The same authority with the same key, valid for another life.

    Devices that hold its former certificate go on trusting what it signs until that one ends.
    """
    key = _key(authority.key)
    subject = x509.load_pem_x509_certificate(authority.certificate.encode()).subject
    name = subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    return Pair(_authority(key, str(name), now_ms), authority.key)


def new_server(authority: Pair, names: Iterable[str], now_ms: int) -> Pair:
    """A server's certificate for these host names and addresses, with a new key. Raises ValueError on a bad name."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    now = _instant(now_ms)
    kept = tuple(dict.fromkeys(names))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, kept[0][:64])]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(min(now + SERVER_LIFE, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in kept]), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(_key(authority.key).public_key()), critical=False
        )
        .sign(_key(authority.key), hashes.SHA256())
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM).decode(), _pem(key))


def why_renew(pair: Pair, authority: Pair, names: Iterable[str], now_ms: int) -> str | None:
    """Why a server's certificate must be made anew; None while it need not.

    Raises ValueError where what stands there is no certificate or no key.
    """
    certificate = x509.load_pem_x509_certificate(pair.certificate.encode())
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    has = set(_names(certificate))
    missing = [name for name in names if name not in has]
    if missing:
        return f"it does not have {', '.join(missing)}"
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return "another authority has signed it"
    if certificate.public_key() != _key(pair.key).public_key():
        return "its key is another one"
    if certificate.not_valid_after_utc - _instant(now_ms) < RENEW_WITHIN:
        return f"it ends on {certificate.not_valid_after_utc:%Y-%m-%d}"
    return None


def names_of(certificate: str) -> list[str]:
    """The host names and addresses that a certificate is for."""
    return list(_names(x509.load_pem_x509_certificate(certificate.encode())))


def _authority(key: ec.EllipticCurvePrivateKey, name: str, now_ms: int) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = _instant(now_ms)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if not name or not name.isascii() or any(character.isspace() or character in "/:@" for character in name):
        raise ValueError(f"{name!r} is neither an address nor a host name; expected gateway.example.cn or 192.168.1.20")
    return x509.DNSName(name)


def _names(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in found]


def _instant(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms / 1000, UTC).replace(microsecond=0)


def _key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("expected a private key on an elliptic curve, as `anju init` makes it")
    return key


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
