"""A message that was compressed by itself unfolds to no more than a record may have."""

import pytest
import zstandard

from headway.bags import reader


@pytest.mark.parametrize(("size", "kept"), [(1000, True), (1001, False)])
def test_a_few_bytes_that_unfold_to_more_than_the_limit_are_no_message(monkeypatch, size, kept):
    monkeypatch.setattr(reader, "RECORD_LIMIT", 1000)
    packed = zstandard.ZstdCompressor().compress(bytes(size))
    assert reader._decompressed(packed) == (bytes(size) if kept else b"")


def test_bytes_that_are_no_zstd_are_no_message():
    assert reader._decompressed(b"no zstd") == b""
