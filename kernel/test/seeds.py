#!/usr/bin/env python3
"""Writes the seed corpora of the kernel core's fuzz targets for images and archives (run from the
repository's root). That of the calls is what fuzzing found."""
import struct


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

# One packed file: a literal, then 39 times the same.
packed = struct.pack("<I", 5) + bytes([0x10, 0x61, 0x01, 0xF0, 21])
table = struct.pack("<104sQQQ", b"fonts/a", len(packed), 4096, 40)
bundle = struct.pack("<QIIQ", 0x31304C444E42504B, 1, 0, 4096 + len(packed)) + table
open("kernel/init/fuzz/bundle/packed", "wb").write(bundle.ljust(4096, b"\0") + packed)
