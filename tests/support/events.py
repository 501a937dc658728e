"""The events of a run as TensorBoard sees them, read by a reader that checks what it reads."""

import struct
from pathlib import Path
from typing import Any, NamedTuple

CRC_BITS = 0x82F63B78
"""The polynomial of CRC-32C, reflected."""


class Seen(NamedTuple):
    """A point of a curve, or a text."""

    tag: str
    step: int
    value: float | str


def crc32c(content: bytes) -> int:
    """CRC-32C, bit by bit, and masked as the records of TensorFlow have it."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ CRC_BITS * (crc & 1)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(path: Path) -> list[bytes]:
    """The records of a file: each its length, the check of that, its content, and the check of that."""
    content, found, place = path.read_bytes(), [], 0
    while place < len(content):
        header = content[place : place + 8]
        (size,) = struct.unpack("<Q", header)
        record = content[place + 12 : place + 12 + size]
        assert len(record) == size, "the file is cut"
        assert struct.unpack("<I", content[place + 8 : place + 12]) == (crc32c(header),)
        assert struct.unpack("<I", content[place + 12 + size : place + 16 + size]) == (crc32c(record),)
        found.append(record)
        place += 16 + size
    return found


def events(path: Path) -> list[Any]:
    """The events of a file; the first says its version."""
    from tensorboardX.proto.event_pb2 import Event

    found = [Event.FromString(record) for record in records(path)]
    assert found[0].file_version == "brain.Event:2"
    return found[1:]


def seen(folder: Path) -> list[Seen]:
    """What TensorBoard shows of a folder: a start takes back what the files before it have from its step on."""
    shown: list[Seen] = []
    for path in sorted(folder.iterdir()):
        for event in events(path):
            if event.session_log.status:
                shown = [each for each in shown if each.step < event.step]
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "text":
                    (content,) = value.tensor.string_val
                    shown.append(Seen(value.tag, event.step, content.decode()))
                else:
                    shown.append(Seen(value.tag, event.step, value.simple_value))
    return shown


def without_speed(shown: list[Seen]) -> list[Seen]:
    """What is the same whenever a run is repeated."""
    return [each for each in shown if each.tag != "characters_per_second"]
