"""Check the signatures of Amazon's SNS. Each of its certificates is fetched once."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import aiohttp

from .sources.aws_sns import certificate_address, signed_text
from .sources.payload import JsonObject
from .sources.webhook import InvalidPayload

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_FETCH_TIMEOUT_SECONDS = 10
_MAX_CERTIFICATE_BYTES = 64 * 2**10
_MAX_CERTIFICATES = 32

FetchCertificate = Callable[[str], Awaitable[bytes]]


class CertificateUnavailable(Exception):
    """The certificate could not be fetched now."""


class AmazonSignatures:
    """The certificates that were fetched so far, by their addresses."""

    def __init__(self, fetch: FetchCertificate | None = None) -> None:
        self._fetch = fetch or fetch_certificate
        self._keys: dict[str, RSAPublicKey] = {}

    async def check(self, envelope: JsonObject) -> None:
        """Raise InvalidPayload unless Amazon has signed this envelope. Raise CertificateUnavailable if this cannot be
        checked now.
        """
        text, address = signed_text(envelope), certificate_address(envelope)
        if address not in self._keys:
            key = read_public_key(await self._fetch(address))
            while len(self._keys) >= _MAX_CERTIFICATES:
                del self._keys[next(iter(self._keys))]
            self._keys[address] = key
        check_signature(self._keys[address], envelope, text)


def read_public_key(certificate: bytes) -> "RSAPublicKey":
    """Return the public key of a certificate. Raise CertificateUnavailable."""
    # Only a source of Amazon needs this package, which takes 10 MiB of memory.
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
    except ValueError as error:
        raise CertificateUnavailable(f"Amazon's certificate cannot be read: {error}") from error
    if not isinstance(key, RSAPublicKey):
        raise CertificateUnavailable("Amazon's certificate has no RSA key")
    return key


def check_signature(key: "RSAPublicKey", envelope: JsonObject, text: bytes) -> None:
    """Raise InvalidPayload unless the envelope contains a valid signature of the text."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    # Version 1 is the default of a topic. Amazon has chosen its digest.
    digest = hashes.SHA256() if envelope.raw_text("SignatureVersion") == "2" else hashes.SHA1()  # noqa: S303
    try:
        key.verify(base64.b64decode(envelope.raw_text("Signature"), validate=True), text, PKCS1v15(), digest)
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise InvalidPayload("Its signature is not Amazon's.") from error


async def fetch_certificate(address: str) -> bytes:
    """Return the content of the address without following redirects. Raise CertificateUnavailable."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_FETCH_TIMEOUT_SECONDS)) as session,
            session.get(address, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise CertificateUnavailable(f"Amazon's certificate: HTTP status {answer.status}")
            found = bytearray()
            async for chunk in answer.content.iter_chunked(8192):
                found.extend(chunk)
                if len(found) > _MAX_CERTIFICATE_BYTES:
                    raise CertificateUnavailable("Amazon's certificate is too large")
            return bytes(found)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise CertificateUnavailable(f"Amazon's certificate cannot be fetched: {error!r}") from error
