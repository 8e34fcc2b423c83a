#!/usr/bin/env python3
"""Writes sealed_vectors.json: keys, identities and records of sealed streams, made by
python3-cryptography from what protocol/sealed says of them, without a line of the project's code.

usage: sealed_vectors.py > sealed_vectors.json
"""

import base64
import json
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SUITES = {0x1301: (16, AESGCM), 0x1303: (32, ChaCha20Poly1305)}


def hkdf(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt or None, info=info).derive(key)


def numbers(first: int, count: int) -> bytes:
    return bytes((first + i * 7) % 256 for i in range(count))


def record(exported: bytes, suite: int, position: int, kind: int, content: bytes) -> bytes:
    """One record: its key is that of the epoch, its nonce follows from its position."""
    size, cipher = SUITES[suite]
    info = b"tonel record" + struct.pack(">HI", suite, position >> 32)
    material = hkdf(exported, b"", info, size + 12)
    key, iv = material[:size], material[size:]
    nonce = iv[:4] + (int.from_bytes(iv[4:], "big") ^ position).to_bytes(8, "big")
    header = b"\x17\x03\x03" + struct.pack(">H", len(content) + 17)
    return header + cipher(key).encrypt(nonce, content + bytes([kind]), header)


def records() -> list:
    places = [
        ("the first behind a client's flights", 570, 0x17, numbers(3, 100)),
        ("no octet", 592, 0x17, b""),
        ("a full datagram", 1_000_000, 0x17, numbers(9, 1400)),
        ("control", 2**31 + 5, 0x16, bytes([1, 0, 1, 2])),
        ("the last of the first epoch", 2**32 - 1, 0x17, numbers(5, 60)),
        ("the first of the second epoch", 2**32, 0x17, numbers(5, 60)),
        ("of the 300th epoch", 299 * 2**32 + 77, 0x17, numbers(200, 33)),
    ]
    out = []
    for suite in SUITES:
        exported = numbers(suite % 256, 32)
        for name, position, kind, content in places:
            out.append({
                "name": name,
                "suite": suite,
                "exported_hex": exported.hex(),
                "position": str(position),
                "type": kind,
                "content_hex": content.hex(),
                "record_hex": record(exported, suite, position, kind, content).hex(),
            })
    return out


def identities() -> list:
    key = numbers(77, 32)
    out = []
    for introduces, length in ((1, 96), (0, 131), (1, 160)):
        salt = numbers(length, 16)
        contents = struct.pack(">BBBBI8sQIIHHI16s", 1, introduces, 2, 3, 0xABCD0002, numbers(1, 8),
                               0x1122334455667788, 0x01020304, 0xFFFEFDFC, 20, 1500, 29_700_000,
                               numbers(33, 16))
        keys = hkdf(key, salt, b"tonel identity", 28)
        plain = contents + bytes(length - 32 - len(contents))
        sealed = salt + AESGCM(keys[:16]).encrypt(keys[16:], plain, b"")
        out.append({
            "introduces": introduces,
            "length": length,
            "salt_hex": salt.hex(),
            "sealed_hex": sealed.hex(),
        })
    return out


def main() -> None:
    key = numbers(77, 32)
    print(json.dumps({
        "key": base64.b64encode(key).decode(),
        "psk_hex": hkdf(key, b"", b"tonel psk", 32).hex(),
        "identities": identities(),
        "records": records(),
    }, indent=1))


main()
