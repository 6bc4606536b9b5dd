"""Modules as bytes, good and bad, for run."""


def leb(value):
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def sleb(value):
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if (value == 0 and not byte & 0x40) or (value == -1 and byte & 0x40):
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


def vector(items):
    return leb(len(items)) + b"".join(items)


def name(text):
    encoded = text.encode()
    return leb(len(encoded)) + encoded


def section(number, content):
    return bytes([number]) + leb(len(content)) + content


HEAD = b"\0asm\1\0\0\0"
I32, I64, F32, F64, FUNCREF = 0x7F, 0x7E, 0x7D, 0x7C, 0x70


def functype(parameters=(), results=()):
    return b"\x60" + vector([bytes([t]) for t in parameters]) + vector([bytes([t]) for t in results])


def body(code, locals_=()):
    """locals_: (count, type) pairs; code: without its end."""
    inner = vector([leb(count) + bytes([kind]) for count, kind in locals_]) + code + b"\x0b"
    return leb(len(inner)) + inner


def module(bodies, types=None, functions=None, imports=(), tables=(), memories=(), globals_=(), exports=(),
           start=None, elements=(), data=(), names=None):
    """exports: (name, kind, index). Functions are of type 0 unless `functions` tells."""
    types = types or [functype()]
    functions = functions or [0] * len(bodies)
    out = HEAD + section(1, vector(types))
    if imports:
        out += section(2, vector(imports))
    out += section(3, vector([leb(f) for f in functions]))
    if tables:
        out += section(4, vector(tables))
    if memories:
        out += section(5, vector(memories))
    if globals_:
        out += section(6, vector(globals_))
    if exports:
        out += section(7, vector([name(n) + bytes([kind]) + leb(index) for n, kind, index in exports]))
    if start is not None:
        out += section(8, leb(start))
    if elements:
        out += section(9, vector(elements))
    out += section(10, vector(bodies))
    if data:
        out += section(11, vector(data))
    if names:
        subsection = vector([leb(i) + name(n) for i, n in names])
        out += section(0, name("name") + b"\1" + leb(len(subsection)) + subsection)
    return out


def import_function(of, what, kind):
    return name(of) + name(what) + b"\0" + leb(kind)


START = [("_start", 0, 0)]
LOOP = b"\x03\x40\x0c\x00\x0b"
UNREACHABLE = b"\x00"


def program(code, **more):
    """One function, _start."""
    locals_ = more.pop("locals_", ())
    return module([body(code, locals_)], exports=START, **more)


def arithmetic():
    """add (i32 i32 -> i32), half (f64 -> f64), wide (i64 -> i64), divide (i32 -> i32): 1 / it."""
    return module(
        [body(b"\x20\0\x20\1\x6a"), body(b"\x20\0\x44" + b"\0\0\0\0\0\0\xe0\x3f" + b"\xa2"),
         body(b"\x20\0\x42\1\x7c"), body(b"\x41\1\x20\0\x6d")],
        types=[functype([I32, I32], [I32]), functype([F64], [F64]), functype([I64], [I64]), functype([I32], [I32])],
        functions=[0, 1, 2, 3],
        exports=[("add", 0, 0), ("half", 0, 1), ("wide", 0, 2), ("divide", 0, 3)])


def grower():
    """grow (i32 -> i32): memory.grow of a memory of one page."""
    return module([body(b"\x20\0\x40\0")], types=[functype([I32], [I32])], memories=[b"\0\1"],
                  exports=[("grow", 0, 0)])


def traps_inside():
    """_start calls middle calls inner, which is unreachable."""
    return module([body(b"\x10\1"), body(b"\x10\2"), body(UNREACHABLE)], exports=START,
                  names=[(0, "_start"), (1, "middle"), (2, "inner")])


def throws():
    tag = section(13, b"\1\0\0")
    good = program(b"\x08\0")
    at = good.index(section(7, vector([name("_start") + b"\0\0"])))
    return good[:at] + tag + good[at:]


def recursion():
    return program(b"\x10\0")


def type_error():
    """Function 1: i32.add of nothing."""
    return module([body(b"\x01"), body(b"\x01\x6a\x1a")], names=[(1, "wrong")])


def deep_blocks(depth):
    return program(b"\x02\x40" * depth + b"\x0b" * depth)


def deep_nested_loops(depth):
    return program(b"\x03\x40" * depth + b"\x0b" * depth)


def deep_expression(depth):
    """A value stack of that height."""
    return program(b"\x41\x01" * depth + b"\x1a" * depth)


def branch_table(targets, tables=1):
    one = b"\x02\x40\x41\0\x0e" + leb(targets) + b"\0" * targets + b"\0" + b"\x0b"
    return program(one * tables)


def branch_table_carrying(targets):
    """Each target carries many values to a block far out: a naive compiler copies them for each."""
    values = 200
    kinds = [functype(), functype([], [I32] * values)]
    code = b"\x02\1" + b"\x02\1" + b"\x41\0" * values + b"\x41\0\x0e" + leb(targets) + b"\0\1" * (targets // 2) + b"\0"
    code += b"\x0b" + b"\x1a" * values + b"\x41\0" * values + b"\x0b" + b"\x1a" * values
    return module([body(code)], types=kinds, exports=START)


def many_locals(count):
    return program(b"", locals_=[(count, I64)])


def many_local_groups(groups):
    return program(b"", locals_=[(1, I32), (1, I64)] * (groups // 2))


def big_memory(pages):
    return program(b"", memories=[b"\0" + leb(pages)])


def big_memory_64(pages):
    return program(b"", memories=[b"\4" + leb(pages)])


def many_memories(count, pages):
    return program(b"", memories=[b"\0" + leb(pages)] * count)


def big_table(elements, count=1):
    return program(b"", tables=[b"\x70\0" + leb(elements)] * count)


def count_that_lies(number, count):
    """A section which says that it has `count` items and has none."""
    return HEAD + section(number, leb(count))


def many_functions(count):
    return module([body(b"")] * count, exports=START)


def many_types(count):
    return HEAD + section(1, leb(count) + functype([I32] * 3, [I64]) * count)


def wide_type(parameters):
    return HEAD + section(1, vector([functype([I32] * parameters)]))


def huge_function(instructions):
    return program(b"\x01" * instructions)


def grow_in_a_loop():
    """Grows its memory by one page until it cannot, then its table, then stops."""
    code = b"\x03\x40\x41\1\x40\0\x41\x7f\x47\x0d\0\x0b"
    code += b"\x03\x40\xd0\x70\x41\x80\x80\x04\xfc\x0f\0\x41\x7f\x47\x0d\0\x0b"
    return program(code, memories=[b"\0\1"], tables=[b"\x70\0\1"])


OVERLONG = {
    "a size of six bytes": HEAD + b"\1\x84\x80\x80\x80\x80\0\1\x60\0\0",
    "a count of six bytes": HEAD + section(1, b"\x81\x80\x80\x80\x80\0" + functype()),
    "unused bits set": HEAD + section(1, b"\x81\x80\x80\x80\x70" + functype()),
    "i32.const of six bytes": program(b"\x41\x80\x80\x80\x80\x80\0\x1a"),
    "i32.const with bits beyond 32": program(b"\x41\xff\xff\xff\xff\x4f\x1a"),
    "i64.const of eleven bytes": program(b"\x42" + b"\x80" * 10 + b"\0\x1a"),
    "a local index of six bytes": program(b"\x20\x80\x80\x80\x80\x80\0\x1a", locals_=[(1, I32)]),
    "a memory offset of eleven bytes": program(b"\x41\0\x28\2" + b"\x80" * 10 + b"\0\x1a", memories=[b"\0\1"]),
    "a memory offset beyond 32 bits": program(b"\x41\0\x28\2\x80\x80\x80\x80\x10\x1a", memories=[b"\0\1"]),
}
