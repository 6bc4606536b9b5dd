/* One valid module with every section, kind of import, export, segment and many instructions. */
#include "runtime/wasm/test/builder.h"

static void declarations(builder_t *module)
{
    builder_t part = {0};
    /* 0: [] -> []   1: [i32] -> [i32]   2: [i32 i64] -> [i64 i32]   3: [v128 externref] -> []
       4: as 1, again   5: [f64 exnref] -> [f32] */
    put(&part, 6, 0x60, 0, 0, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 2, 0x7f, 0x7e, 2, 0x7e, 0x7f, 0x60, 2,
        0x7b, 0x6f, 0, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 2, 0x7c, 0x69, 1, 0x7d);
    put_section(module, 1, &part);

    put_u(&part, 6);
    put_name(&part, "host");
    put_name(&part, "function");
    put(&part, 0, 1);
    put_name(&part, "host");
    put_name(&part, "table");
    put(&part, 1, 0x70, 1, 2, 9);
    put_name(&part, "host");
    put_name(&part, "memory");
    put(&part, 2, 3, 1, 2); /* shared */
    put_name(&part, "host");
    put_name(&part, "global");
    put(&part, 3, 0x7f, 0);
    put_name(&part, "host");
    put_name(&part, "tag");
    put(&part, 4, 0, 0);
    put_name(&part, "");
    put_name(&part, "\xc3\xa4");
    put(&part, 3, 0x70, 0);
    put_section(module, 2, &part);

    put(&part, 5, 0, 1, 2, 0, 2); /* functions 1..5 */
    put_section(module, 3, &part);
    put(&part, 2, 0x6f, 0, 0, 0x70, 5, 1, 8); /* table 2: 64-bit indices */
    put_section(module, 4, &part);
    put(&part, 2, 0, 1, 5, 1, 3); /* memories 1, and 2: 64-bit */
    put_section(module, 5, &part);
    put(&part, 1, 0, 3); /* tag 1: [v128 externref] */
    put_section(module, 13, &part);
    put_u(&part, 5);
    put(&part, 0x7f, 1, 0x23, 0, 0x41, 7, 0x6a, 0x41, 3, 0x6c, 0x0b); /* (global0 + 7) * 3 */
    put(&part, 0x7b, 0, 0xfd, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0x0b);
    put(&part, 0x70, 0, 0xd2, 1, 0x0b);
    put(&part, 0x6f, 1, 0xd0, 0x6f, 0x0b);
    put(&part, 0x7c, 0, 0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x0b);
    put_section(module, 6, &part);
}

static void segments(builder_t *module)
{
    builder_t part = {0};
    put_u(&part, 5);
    put_name(&part, "run");
    put(&part, 0, 1);
    put_name(&part, "table");
    put(&part, 1, 0);
    put_name(&part, "memory");
    put(&part, 2, 0);
    put_name(&part, "global");
    put(&part, 3, 2);
    put_name(&part, "tag");
    put(&part, 4, 0);
    put_section(module, 7, &part);
    put(&part, 1);
    put_section(module, 8, &part);
    put_u(&part, 8);
    put(&part, 0, 0x41, 0, 0x0b, 2, 1, 2);
    put(&part, 1, 0, 1, 3);
    put(&part, 2, 2, 0x42, 0, 0x0b, 0, 1, 1);
    put(&part, 3, 0, 1, 4);
    put(&part, 4, 0x41, 1, 0x0b, 2, 0xd2, 1, 0x0b, 0xd0, 0x70, 0x0b);
    put(&part, 5, 0x70, 2, 0x23, 1, 0x0b, 0xd2, 5, 0x0b);
    put(&part, 6, 1, 0x41, 0, 0x0b, 0x6f, 1, 0xd0, 0x6f, 0x0b);
    put(&part, 7, 0x70, 0);
    put_section(module, 9, &part);
    put(&part, 3);
    put_section(module, 12, &part);
}

static void put_body(builder_t *code, const uint8_t *bytes, size_t size)
{
    put_u(code, size);
    put_bytes(code, bytes, size);
}

static void bodies(builder_t *module)
{
    builder_t code = {0};
    put_u(&code, 5);
    static const uint8_t run[] = {
        2,    3,    0x7f, 1,    0x7b,                            /* i32 x 3, v128 */
        0x41, 5,    0x21, 0,                                     /* local.set 0 */
        0x02, 0x40, 0x20, 0,    0x45, 0x0d, 0,                   /* block, br_if */
        0x03, 0x40, 0x20, 0,    0x41, 1,    0x6b, 0x22, 0,       /* loop */
        0x0d, 0,    0x0b, 0x0b,                                  /* br_if 0, end, end */
        0x20, 1,    0x04, 0x7f, 0x41, 1,    0x05, 0x41, 2, 0x0b, /* if (result i32) */
        0x28, 2,    0,    0x42, 1,    0x37, 0x43, 1,    8,       /* i32.load, i64.store memory 1 */
        0x0b,
    };
    static const uint8_t echo[] = {
        0,    0x02, 0x40, 0x02, 0x40, 0x02, 0x40, /* three blocks */
        0x20, 0,    0x0e, 2,    0,    1,    2,    /* br_table 0 1, default 2 */
        0x0b, 0x41, 1,    0x0f, 0x0b,             /* end, return 1, end */
        0x41, 2,    0x12, 2,    0x0b, 0x00, 0x0b, /* return_call 2 */
    };
    static const uint8_t swap[] = {0, 0x20, 1, 0x20, 0, 0x0b};
    static const uint8_t exceptions[] = {
        1,    1,    0x69,                            /* local 0: exnref */
        0x02, 0x69,                                  /* block (result exnref) */
        0x02, 0x40,                                  /* block */
        0x1f, 0x40, 2,    1,    0,    1,    2,    0, /* try_table catch_ref tag0 1, catch_all 0 */
        0x08, 0,    0x0b, 0x0b,                      /* throw 0, end, end */
        0xd0, 0x69, 0x0b,                            /* ref.null exn, end */
        0x22, 0,    0xd1, 0x04, 0x40, 0x05, 0x20, 0, 0x0a, 0x0b, /* if null else throw_ref */
        0x0b,
    };
    static const uint8_t mixed[] = {
        0,
        0x41,
        0,
        0x41,
        0,
        0x41,
        0,
        0xfc,
        8,
        0,
        0, /* memory.init data0 memory0 */
        0xfc,
        9,
        1, /* data.drop 1 */
        0x42,
        0,
        0x41,
        0,
        0x41,
        0,
        0xfc,
        10,
        2,
        1, /* memory.copy 2 <- 1 */
        0x42,
        0,
        0x41,
        0,
        0x42,
        0,
        0xfc,
        11,
        2, /* memory.fill 2 */
        0x41,
        0,
        0x41,
        0,
        0x41,
        0,
        0xfc,
        12,
        1,
        0, /* table.init */
        0xfc,
        13,
        1, /* elem.drop */
        0xd0,
        0x6f,
        0x41,
        1,
        0xfc,
        15,
        1,
        0x1a, /* table.grow 1 */
        0x41,
        0,
        0xfe,
        0x10,
        2,
        0,
        0x1a, /* i32.atomic.load */
        0xfe,
        3,
        0, /* atomic.fence */
        0x41,
        0,
        0xfd,
        0,
        4,
        0,
        0xfd,
        0x15,
        3,
        0x1a, /* v128.load, extract_lane_s */
        0x41,
        1,
        0x42,
        2,
        0x43,
        0,
        0,
        0,
        0,
        0x44,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0xfc,
        6,
        0x1a,
        0xfc,
        0,
        0x1a,
        0xc4,
        0x1a,
        0x1a, /* sat-float, extend32_s, drop */
        /* [i32 i64] -> [i64 i32] by call_indirect of type 2 through table 0 */
        0x20,
        0,
        0x20,
        1,
        0x41,
        0,
        0x11,
        2,
        0,
        0x0b,
    };
    put_body(&code, run, sizeof(run));
    put_body(&code, echo, sizeof(echo));
    put_body(&code, swap, sizeof(swap));
    put_body(&code, exceptions, sizeof(exceptions));
    put_body(&code, mixed, sizeof(mixed));
    put_section(module, 10, &code);
}

builder_t everything_module(void)
{
    builder_t module = new_module();
    builder_t part = {0};
    put_name(&part, "first");
    put(&part, 1, 2, 3);
    put_section(&module, 0, &part);
    declarations(&module);
    segments(&module);
    bodies(&module);
    put_u(&part, 3);
    put(&part, 0, 0x41, 0, 0x0b, 3, 'a', 'b', 'c');
    put(&part, 1, 2, 'd', 'e');
    put(&part, 2, 2, 0x42, 0, 0x0b, 1, 'f');
    put_section(&module, 11, &part);
    put_name(&part, "name");
    put(&part, 0, 4, 3, 'a', 'l', 'l');
    put(&part, 1, 13, 2, 1, 4, 'm', 'a', 'i', 'n', 4, 4, 'r', 'a', 'i', 's');
    put_section(&module, 0, &part);
    return module;
}
