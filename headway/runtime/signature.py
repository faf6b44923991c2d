"""An Ed25519 signature over a manifest: who made a model, where hashes only say that its files belong together.

`manifest.json.sig` holds the 64 bytes of a plain Ed25519 signature (RFC 8032) over `manifest.json`, so that
openssl checks and makes it too. Keys are PEM: PKCS#8 without a passphrase, and SubjectPublicKeyInfo.

Where the environment variable HEADWAY_TRUSTED_KEY names a public key, `open_model` loads nothing that this key has not
signed. It is a variable and no ROS parameter: whoever may set parameters of a node must not be able to switch it off.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from headway.errors import MissingDependencyError, ModelError, UsageError

SUFFIX = ".sig"
VARIABLE = "HEADWAY_TRUSTED_KEY"
SIGNATURE_BYTES = 64
KEY_LIMIT = 64 << 10  # bytes; a PEM file of a key has about a hundred


def trusted_key() -> Path | None:
    """The public key that must have signed every model, None where hashes are enough."""
    value = os.environ.get(VARIABLE, "")
    return Path(value) if value else None


def sign(content: bytes, private_key: Path) -> bytes:
    """64 bytes of signature. Raises UsageError for what is no private Ed25519 key."""
    key = _key(private_key, "load_pem_private_key", {"password": None}, "Ed25519PrivateKey", "private")
    return bytes(key.sign(content))


def check(content: bytes, signature_file: Path, public_key: Path) -> None:
    """Raises ModelError where `signature_file` is missing or is not the signature of `content` by `public_key`."""
    key = _key(public_key, "load_pem_public_key", {}, "Ed25519PublicKey", "public")
    try:
        with signature_file.open("rb") as file:
            signature = file.read(SIGNATURE_BYTES + 1)
    except FileNotFoundError:
        raise ModelError(
            f"{signature_file} is missing: {public_key} must have signed this model (`headway models --sign KEY`)"
        ) from None
    except OSError as error:
        raise ModelError(f"{signature_file} cannot be read: {error.strerror}") from error
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, content)
    except InvalidSignature:
        raise ModelError(
            f"{signature_file} is no signature by {public_key} of the manifest beside it: "
            "install the model again, or name the key of its maker"
        ) from None


def _key(path: Path, loader: str, options: dict[str, Any], kind: str, word: str) -> Any:
    """The key in a PEM file; `loader` and `kind` are names in `cryptography`, which is imported only where used."""
    try:
        serialization: Any = importlib.import_module("cryptography.hazmat.primitives.serialization")
        ed25519: Any = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    except ImportError as error:
        raise MissingDependencyError(f"signatures need `cryptography` ({error}): install `headway[sign]`") from None
    try:
        with path.open("rb") as file:
            text = file.read(KEY_LIMIT)
    except OSError as error:
        raise UsageError(f"key {path} cannot be read: {error.strerror}") from error
    try:
        key = getattr(serialization, loader)(text, **options)
    except Exception as error:  # ValueError, TypeError (a passphrase), UnsupportedAlgorithm: all mean another file
        raise UsageError(f"{path} is no {word} key in PEM without a passphrase: {error}") from error
    if not isinstance(key, getattr(ed25519, kind)):
        raise UsageError(f"{path} is no Ed25519 {word} key; make one with `openssl genpkey -algorithm ed25519`")
    return key
