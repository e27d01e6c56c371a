"""Nodes and services of iceoryx2, for the programs that measure it."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import iceoryx2 as iox2
import numpy as np

iox2.set_log_level(iox2.LogLevel.Fatal)

#: What the names of its shared memory begin with: no other program's.
PREFIX = "compare_python_"


class Message(ctypes.Structure):
    """64 bytes."""

    _fields_ = [("words", ctypes.c_uint64 * 8)]


def node(place: str) -> Any:
    """A node whose files are in a folder of ours, and which leaves signals to Python."""
    config = iox2.config.default()
    config.global_cfg.root_path, config.global_cfg.prefix = iox2.Path.new(place), iox2.FileName.new(PREFIX)
    builder = iox2.NodeBuilder.new().config(config)
    return builder.signal_handling_mode(iox2.SignalHandlingMode.Disabled).create(iox2.ServiceType.Ipc)


def service(node: Any, name: str) -> Any:
    """What all services are made of."""
    return node.service_builder(iox2.ServiceName.new(name))


def items_of(sample: Any, length: int) -> np.ndarray:
    """The payload of a sample as an array that costs no copy, as long as the sample lives."""
    return np.frombuffer((ctypes.c_uint64 * length).from_address(sample.payload_ptr), np.uint64)


def clean_up() -> None:
    """Removes what it leaves in memory: a page for all nodes."""
    for left in Path("/dev/shm").glob(f"{PREFIX}*"):
        left.unlink()
