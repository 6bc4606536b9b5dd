#!/usr/bin/env python3
"""Writes the seed corpora of the kernel core's fuzz targets (run from the repository's root)."""
import re
import struct

calls = re.findall(r"^KP_CALL\((\d+), (\w+),(.*?)(?=^KP_CALL|^/\*)", open("abi/calls.def").read(), re.M | re.S)
index = {name: i for i, (_, name, _) in enumerate(calls)}
arity = {name: len(re.findall(r"\((?!VOID)[A-Z_]+,", text)) for _, name, text in calls}

EVENT, PROCESS, SERVICE, DEVICE, COORDINATOR, END0, END1 = range(7)  # seen[] in fuzz/calls.c


def small(n):
    return bytes([128 + n])


def at(offset):
    return b"\xa0" + struct.pack("<H", offset)


def handle(n):
    return bytes([n])


def call(name, *arguments):
    assert len(arguments) == arity[name], name
    return bytes([index[name]]) + b"".join(arguments)


def word(n):
    return b"\xd0" + struct.pack("<I", n)


seeds = {
    "channel": call("channel_write", handle(END0), at(0x1000), small(20), at(0), small(1))
    + call("channel_read", handle(END1), at(0x100), small(31), at(0x200), small(2), at(0x300))
    + call("channel_create", at(0x400))
    + call("channel_write", handle(7), at(0), small(0), at(20), small(1))
    + call("channel_write", handle(7), at(0), small(0), at(0), small(2)),
    "wait": call("object_signal", handle(EVENT), small(0), small(8))
    + call("object_wait_one", handle(EVENT), small(8), small(0), at(0x100))
    + call("object_wait_many", at(0x1000), small(3), small(0)),
    "handle": call("handle_duplicate", handle(EVENT), word(1 << 31))
    + call("handle_replace", handle(7), small(16))
    + call("object_info", handle(8), at(0x100))
    + call("handle_close", handle(8)) + call("handle_close", handle(8)),
    "vmo": call("vmo_create", word(65536))
    + call("vmo_size", handle(7))
    + call("vmo_write", handle(7), at(100), at(0x1000), at(5000))
    + call("vmo_map", handle(7), at(4096), at(0x4000), at(8192), small(1))
    + call("vmo_read", handle(7), at(100), at(0x4000), at(5000))
    + call("vmo_map", handle(7), at(0), at(0x5000), at(4096), small(0))
    + call("vmo_unmap", at(0x4000), at(4096)) + call("memory_grow", small(1)),
    "service": call("service_connect", handle(SERVICE)) + call("service_register", handle(SERVICE))
    + call("channel_read", handle(8), at(0), small(0), at(0x100), small(4), at(0x200))
    + call("handle_close", handle(8)) + call("service_connect", handle(SERVICE)),
    "device": call("device_read", handle(DEVICE), at(0x100), at(2000))
    + call("device_write", handle(DEVICE), at(0x1000), at(1000))
    + call("device_control", handle(DEVICE), small(2), at(0), small(0), at(0x100), small(8))
    + call("device_control", handle(DEVICE), small(3), at(0x1000), small(16), at(0), small(0)),
    "tab": call("tab_create", handle(COORDINATOR), at(0x100))
    + call("process_info", handle(8), at(0x200)) + call("process_kill", handle(8))
    + call("channel_write", handle(7), at(0), small(9), at(0), small(1)),
    "process": call("startup_channel") + call("clock_get", small(0), at(0x100))
    + call("random_get", at(0x100), at(300)) + call("debug_log", at(0x1000), small(20))
    + call("boot_mark", at(0x1000), small(4)) + call("process_kill", handle(PROCESS))
    + call("process_exit", small(1)) + call("event_create"),
}
for name, body in seeds.items():
    with open(f"kernel/syscall/fuzz/calls/{name}", "wb") as file:
        file.write(b"\0" + body)
    with open(f"kernel/syscall/fuzz/calls/{name}-memory", "wb") as file:
        file.write(b"\3\5" + body)


def program_header(kind, flags, offset, address, file_size, memory_size):
    align = 4096 if kind == 1 else 4
    return struct.pack("<IIQQQQQQ", kind, flags, offset, address, address, file_size, memory_size,
                       align)


note = struct.pack("<III8sIIII", 5, 16, 1, b"KPIO", 1, 2, 2, 16)
headers = [
    program_header(1, 4, 0, 0, 0x200, 0x200),
    program_header(1, 5, 0x200, 0x1200, 0x40, 0x40),
    program_header(1, 6, 0x240, 0x2240, 0x20, 0x1000),
    program_header(4, 4, 0x180, 0x180, len(note), len(note)),
]
image = bytearray(0x260)
image[0:64] = struct.pack("<4sBBB9xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 3, 62, 1, 0x1210, 64, 0, 0,
                          64, 56, 4, 0, 0, 0)
image[64:64 + 4 * 56] = b"".join(headers)
image[0x180:0x180 + len(note)] = note
open("kernel/object/fuzz/image/small", "wb").write(image)

entries = [(b"a", b"one"), (b"programs/tab.kpi", b"")]
table = b"".join(struct.pack("<112sQQ", name, 4096, len(data)) for name, data in entries)
bundle = struct.pack("<QIIQ", 0x31304C444E42504B, 2, 0, 4099) + table
open("kernel/init/fuzz/bundle/two", "wb").write(bundle.ljust(4096, b"\0") + b"one")
open("kernel/init/fuzz/bundle/line", "wb").write(b'a url="http://x y" url=b')
