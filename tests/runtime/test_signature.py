"""Signed manifests: what was signed loads, whatever was touched since does not, and the option cannot be dodged."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headway.errors import HeadwayError, MissingDependencyError, ModelError, UsageError
from headway.paths import weights_dir
from headway.runtime import signature
from headway.runtime.manifest import read_manifest, sign_manifest, signature_file
from headway.runtime.model import open_model

serialization = pytest.importorskip(
    "cryptography.hazmat.primitives.serialization", reason="cryptography is not installed: headway[sign]"
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """(private, public, another public) key files."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    folder, s = tmp_path_factory.mktemp("keys"), serialization
    made = []
    for name in ("maker", "stranger"):
        key = Ed25519PrivateKey.generate()
        private, public = folder / f"{name}.pem", folder / f"{name}.pub"
        private.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
        public.write_bytes(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
        made += [private, public]
    return made[0], made[1], made[3]


@pytest.fixture
def folder(tmp_path, keys):
    """A copy of the shipped driving model, signed."""
    shutil.copytree(weights_dir() / "driving", tmp_path / "driving")
    sign_manifest(tmp_path / "driving", keys[0])
    return tmp_path / "driving"


def test_what_its_maker_signed_is_opened(folder, keys, monkeypatch):
    monkeypatch.setenv(signature.VARIABLE, str(keys[1]))
    open_model(str(folder), "driving").close()


def tamper_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"parameters": ', '"parameters": 1'))


def tamper_white_space(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes() + b"\n")


def tamper_signature(folder: Path) -> None:
    path = signature_file(folder)
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


def lengthen_signature(folder: Path) -> None:
    path = signature_file(folder)
    path.write_bytes(path.read_bytes() + b"\0")


def tamper_network(folder: Path) -> None:
    path = folder / read_manifest(folder).files["onnx"].path
    path.write_bytes(path.read_bytes() + b"\0")


def take_signature_away(folder: Path) -> None:
    signature_file(folder).unlink()


def empty_signature(folder: Path) -> None:
    signature_file(folder).write_bytes(b"")


TAMPERED = {
    tamper_manifest: "no signature by",
    tamper_white_space: "no signature by",
    tamper_signature: "no signature by",
    lengthen_signature: "no signature by",
    empty_signature: "no signature by",
    tamper_network: "is not the file its manifest names",
    take_signature_away: "is missing",
}


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda f: f.__name__)
def test_whatever_was_touched_after_signing_is_refused(folder, keys, monkeypatch, tamper):
    monkeypatch.setenv(signature.VARIABLE, str(keys[1]))
    tamper(folder)
    with pytest.raises(ModelError, match=TAMPERED[tamper]):
        open_model(str(folder), "driving")


def test_a_signature_by_somebody_else_is_refused(folder, keys):
    with pytest.raises(ModelError, match="no signature by"):
        read_manifest(folder, keys[2])


def test_a_signature_of_another_model_is_refused(folder, keys, tmp_path):
    shutil.copytree(weights_dir() / "trajectory", tmp_path / "trajectory")
    sign_manifest(tmp_path / "trajectory", keys[0])
    signature_file(folder).write_bytes(signature_file(tmp_path / "trajectory").read_bytes())
    with pytest.raises(ModelError, match="no signature by"):
        read_manifest(folder, keys[1])


def test_a_changed_folder_is_not_signed(folder, keys):
    tamper_network(folder)
    with pytest.raises(ModelError, match="is not the file its manifest names"):
        sign_manifest(folder, keys[0])


def test_without_a_trusted_key_hashes_are_enough(folder, monkeypatch):
    monkeypatch.delenv(signature.VARIABLE, raising=False)
    take_signature_away(folder)
    open_model(str(folder), "driving").close()


@pytest.mark.parametrize("text", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_file_that_is_no_key_is_named(folder, tmp_path, monkeypatch, text):
    (tmp_path / "key").write_bytes(text)
    monkeypatch.setenv(signature.VARIABLE, str(tmp_path / "key"))
    with pytest.raises(UsageError, match="is no public key"):
        open_model(str(folder), "driving")


def test_a_trusted_key_that_is_missing_loads_nothing(folder, tmp_path, monkeypatch):
    monkeypatch.setenv(signature.VARIABLE, str(tmp_path / "nowhere.pub"))
    with pytest.raises(UsageError, match=r"nowhere\.pub cannot be read"):
        open_model(str(folder), "driving")


def test_a_key_of_another_kind_is_refused(folder, keys, tmp_path):
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    s, path = serialization, tmp_path / "ec.pub"
    public = generate_private_key(SECP256R1()).public_key()
    path.write_bytes(public.public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(UsageError, match="no Ed25519 public key"):
        read_manifest(folder, path)


def test_without_the_library_nothing_loads_and_the_extra_is_named(folder, keys, monkeypatch):
    monkeypatch.setenv(signature.VARIABLE, str(keys[1]))
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.serialization", None)
    with pytest.raises(MissingDependencyError, match=r"headway\[sign\]"):
        open_model(str(folder), "driving")


def test_openssl_agrees(folder, keys):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    manifest, made = folder / "manifest.json", signature_file(folder)
    command = [
        "openssl",
        "pkeyutl",
        "-verify",
        "-pubin",
        "-rawin",
        "-inkey",
        keys[1],
        "-sigfile",
        made,
        "-in",
        manifest,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tamper_white_space(folder)
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def command_line(*words):
    command = [sys.executable, "-m", "headway.cli.main", "models", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_line_signs_and_verifies(folder, keys):
    take_signature_away(folder)
    private, public, stranger = keys
    done = command_line("--model", folder, "--sign", private)
    assert done.returncode == 0, done.stderr
    assert "signed now" in done.stdout
    assert "signature verified" in command_line("--model", folder, "--verify", public).stdout
    assert "verified, signed" in command_line("--model", folder, "--verify").stdout
    wrong = command_line("--model", folder, "--verify", stranger)
    assert wrong.returncode == 1
    assert "no signature by" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert command_line(public).returncode == 2


def test_errors_are_headways_own(folder):
    assert issubclass(ModelError, HeadwayError)
    with pytest.raises(UsageError, match="is no private key"):
        sign_manifest(folder, folder / "manifest.json")
