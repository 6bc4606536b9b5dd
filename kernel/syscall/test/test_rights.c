/* Every call of abi/calls.def times every handle that it takes (in an argument, an array or a field of a
   structure) times every wrong type, every missing right, and every way of being no handle. All from
   abi/call_table.h: a new call is tested when it is declared, a new type when kernel/test/objects.c
   makes one. */
#include "abi/call_table.h"
#include "kernel/test/objects.h"
#include "tests/kp_test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MEMORY(argument) (0x1000u + 0x1000u * (unsigned)(argument)) /* what an argument points to */
#define NESTED(field) (0x8000u + 0x100u * (unsigned)(field))        /* what a field points to */
enum { NO_FIELD = -1, MADE_MAX = 64 };

static kp_process_t *process;

/* A place where a call takes a handle. */
typedef struct place {
    const kp_call_entry_t *call;
    int argument;
    int field; /* of the structure that the argument names; NO_FIELD: the argument itself */
    const kp_argument_t *kind;
} place_t;

static void set_up(void)
{
    kp_test_attach("test");
    kp_test_objects_begin();
    process = kp_test_process(1, 2, NULL);
    kp_test_process_alone(process);
}

static void tear_down(void)
{
    kp_test_process_end(process);
    kp_test_objects_end();
}

/* ---- A call as it should be ---- */

static uint64_t arguments[6];
static kp_handle_t made[MADE_MAX];
static unsigned made_count;

static kp_handle_t make(uint32_t type, kp_rights_t rights)
{
    kp_handle_t handle = kp_test_object_handle(process, type ? type : KP_TYPE_EVENT, rights);
    if (handle && made_count < MADE_MAX)
        made[made_count++] = handle;
    return handle;
}

static void put_word(uint32_t at, uint32_t value)
{
    memcpy(kp_test_memory(process, at), &value, sizeof(value));
}

/* A value that the kind allows; what it points to lies at `at`. */
static uint64_t value_of(const kp_argument_t *kind, uint32_t at)
{
    switch (kind->kind) {
    case KP_ARGUMENT_HANDLE:
    case KP_ARGUMENT_HANDLE_OR_NONE:
    case KP_ARGUMENT_HANDLE_TO_CLOSE:
        return make(kind->type, KP_RIGHTS_ALL);
    case KP_ARGUMENT_IN_HANDLES:
        put_word(at, make(kind->type, KP_RIGHTS_ALL));
        return at;
    case KP_ARGUMENT_COUNT:
        return 1;
    case KP_ARGUMENT_NUMBER:
        return kind->minimum;
    case KP_ARGUMENT_FLAGS:
        return kind->maximum & -kind->maximum;
    case KP_ARGUMENT_PAGE_LENGTH:
        return KP_PAGE_SIZE;
    case KP_ARGUMENT_TEXT:
        return 'a';
    case KP_ARGUMENT_PAGE_OFFSET:
    case KP_ARGUMENT_DEADLINE: /* past */
        return 0;
    default: /* memory */
        return at;
    }
}

static void prepare(const kp_call_entry_t *call)
{
    memset(kp_test_memory(process, 0), 0, 65536);
    memset(arguments, 0, sizeof(arguments));
    for (int i = 0; call->arguments[i].kind; i++)
        arguments[i] = value_of(&call->arguments[i], MEMORY(i));
    if (call->number == KP_CALL_process_clone) { /* only one that froze itself will do */
        kp_handle_t handle;
        KP_EXPECT_INT(kp_handle_add(&process->handles, kp_test_object_frozen(), &handle), KP_OK);
        arguments[0] = made[made_count++] = handle;
    }
    for (size_t f = 0; f < COUNT(kp_call_fields); f++) {
        const kp_call_field_t *field = &kp_call_fields[f];
        for (int i = 0; field->call == call->number && call->arguments[i].kind; i++) {
            if (strcmp(call->arguments[i].name, field->argument) == 0)
                put_word(MEMORY(i) + field->offset, (uint32_t)value_of(&field->field, NESTED(f)));
        }
    }
}

static void finish(void)
{
    while (made_count > 0)
        (void)kp_handle_close(&process->handles, made[--made_count]); /* some are closed already */
}

/* The call with `handle` in the place, all else as it should be. */
static int64_t perform(const place_t *place, uint64_t handle)
{
    prepare(place->call);
    uint32_t at = MEMORY(place->argument);
    if (place->field != NO_FIELD) {
        at += kp_call_fields[place->field].offset;
        if (place->kind->kind == KP_ARGUMENT_IN_HANDLES)
            at = NESTED(place->field);
        put_word(at, (uint32_t)handle);
    } else if (place->kind->kind == KP_ARGUMENT_IN_HANDLES) {
        put_word(at, (uint32_t)handle);
    } else {
        arguments[place->argument] = handle;
    }
    int64_t result = kp_test_call6(process, place->call->number, arguments);
    if (result > 0 && place->call->result == KP_RESULT_HANDLE)
        (void)kp_handle_close(&process->handles, (kp_handle_t)result);
    return result;
}

/* ---- All places ---- */

static bool takes_handle(const kp_argument_t *kind)
{
    return kind->kind == KP_ARGUMENT_HANDLE || kind->kind == KP_ARGUMENT_HANDLE_OR_NONE ||
           kind->kind == KP_ARGUMENT_IN_HANDLES;
}

/* Places that cannot be reached by arguments alone. */
static bool is_out_of_reach(const place_t *place)
{
    /* A reply that nobody waits for is answered before its handles are looked at:
       kernel/ipc/test/test_call.c has them. */
    uint32_t number = place->call->number;
    return place->field != NO_FIELD &&
           (number == KP_CALL_channel_reply || number == KP_CALL_channel_reply_receive);
}

static void each_place(void (*fn)(const place_t *place))
{
    for (size_t c = 0; c < COUNT(kp_call_table); c++) {
        const kp_call_entry_t *call = &kp_call_table[c];
        for (int i = 0; call->arguments[i].kind; i++) {
            place_t place = {call, i, NO_FIELD, &call->arguments[i]};
            if (takes_handle(place.kind))
                fn(&place);
            for (size_t f = 0; f < COUNT(kp_call_fields); f++) {
                place.field = (int)f;
                place.kind = &kp_call_fields[f].field;
                if (kp_call_fields[f].call == call->number && takes_handle(place.kind) &&
                    strcmp(kp_call_fields[f].argument, call->arguments[i].name) == 0 &&
                    !is_out_of_reach(&place))
                    fn(&place);
            }
        }
    }
}

static unsigned checked;

/* The call must refuse the handle with the status, and leave it alone. */
static void expect_refusal(const place_t *place, uint64_t handle, kp_status_t expected,
                           const char *why)
{
    kp_object_t *object = NULL;
    kp_rights_t before = 0, after = 0;
    kp_handle_t name = handle <= UINT32_MAX ? (kp_handle_t)handle : KP_HANDLE_NONE;
    bool exists = kp_handle_lookup(&process->handles, name, &object, &before) == KP_OK;
    if (exists)
        kp_object_release(object);
    int64_t result = perform(place, handle);
    checked++;
    /* A call that is declared and not written yet refuses everything behind its first argument. */
    if (result != expected && !(result == KP_ERR_NOT_IMPLEMENTED && place->argument > 0))
        KP_FAIL("%s, %s%s%s: %s: %lld, not %d", place->call->name,
                place->call->arguments[place->argument].name, place->field == NO_FIELD ? "" : "->",
                place->field == NO_FIELD ? "" : place->kind->name, why, (long long)result,
                (int)expected);
    if (exists &&
        (kp_handle_lookup(&process->handles, name, &object, &after) != KP_OK || before != after))
        KP_FAIL("%s took a handle that it refused", place->call->name);
    else if (exists)
        kp_object_release(object);
    finish();
}

static void refuse_types(const place_t *place)
{
    for (const uint32_t *type = kp_test_object_types(); *type && place->kind->type; type++) {
        if (*type == place->kind->type)
            continue;
        kp_handle_t handle = kp_test_object_handle(process, *type, KP_RIGHTS_ALL);
        char why[32];
        snprintf(why, sizeof(why), "type %u", *type);
        expect_refusal(place, handle, KP_ERR_WRONG_TYPE, why);
        (void)kp_handle_close(&process->handles, handle);
    }
}

KP_TEST(every_call_refuses_other_types)
{
    set_up();
    each_place(refuse_types);
    KP_EXPECT(checked > 400);
    tear_down();
}

static void refuse_missing_rights(const place_t *place)
{
    for (const uint32_t *type = kp_test_object_types(); *type; type++) {
        if (place->kind->type && *type != place->kind->type)
            continue;
        for (kp_rights_t right = 1; right & KP_RIGHTS_ALL; right <<= 1) {
            if (!(place->kind->rights & right))
                continue;
            kp_handle_t handle = kp_test_object_handle(process, *type, KP_RIGHTS_ALL & ~right);
            char why[48];
            snprintf(why, sizeof(why), "type %u without right 0x%x", *type, right);
            expect_refusal(place, handle, KP_ERR_ACCESS_DENIED, why);
            (void)kp_handle_close(&process->handles, handle);
        }
    }
}

KP_TEST(every_call_refuses_every_missing_right)
{
    set_up();
    checked = 0;
    each_place(refuse_missing_rights);
    KP_EXPECT(checked > 100);
    tear_down();
}

static void refuse_bad_handles(const place_t *place)
{
    kp_handle_t stale = kp_test_object_handle(process, KP_TYPE_EVENT, KP_RIGHTS_ALL);
    (void)kp_handle_close(&process->handles, stale);
    kp_handle_t live = kp_test_object_handle(process, KP_TYPE_EVENT, KP_RIGHTS_ALL);
    const uint64_t bad[] = {0, 1, stale, UINT32_MAX, live + 1, UINT64_MAX, live | (1ull << 32)};
    /* In memory a handle has 32 bits. */
    bool is_word = place->field != NO_FIELD || place->kind->kind == KP_ARGUMENT_IN_HANDLES;
    for (size_t i = 0; i < COUNT(bad) - (is_word ? 2 : 0); i++) {
        if (bad[i] == 0 && place->kind->kind == KP_ARGUMENT_HANDLE_OR_NONE)
            continue;
        char why[32];
        snprintf(why, sizeof(why), "handle 0x%llx", (unsigned long long)bad[i]);
        expect_refusal(place, bad[i], KP_ERR_BAD_HANDLE, why);
    }
    (void)kp_handle_close(&process->handles, live);
}

KP_TEST(every_call_refuses_bad_handles)
{
    set_up();
    each_place(refuse_bad_handles);
    /* Another process's handle means nothing here. */
    kp_process_t *other = kp_test_process(1, 1, NULL);
    kp_handle_t live = kp_test_object_handle(process, KP_TYPE_EVENT, KP_RIGHTS_ALL);
    KP_EXPECT_INT(kp_test_call(other, handle_close, live), KP_ERR_BAD_HANDLE);
    KP_EXPECT_INT(kp_test_call(process, handle_close, live), KP_OK);
    kp_test_process_end(other);
    tear_down();
}

static void refuse_revoked(const place_t *place)
{
    uint32_t type = place->kind->type ? place->kind->type : KP_TYPE_EVENT;
    if (type == KP_TYPE_CHANNEL || !kp_test_object_exists(type)) /* channels have no duplicates */
        return;
    kp_handle_t root = kp_test_object_handle(process, type, KP_RIGHTS_ALL);
    int64_t revoked = kp_test_call(process, handle_duplicate, root, KP_RIGHTS_SAME);
    KP_EXPECT(revoked > 0);
    KP_EXPECT_INT(kp_test_call(process, handle_revoke, root), KP_OK);
    expect_refusal(place, (uint64_t)revoked, KP_ERR_REVOKED, "revoked");
    KP_EXPECT_INT(kp_test_call(process, handle_close, (uint64_t)revoked), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, handle_close, root), KP_OK);
}

KP_TEST(every_call_refuses_revoked_handles)
{
    set_up();
    each_place(refuse_revoked);
    tear_down();
}

/* Every type that calls.def names has an object in the tests. */
static void expect_type(const place_t *place)
{
    if (!place->kind->type || kp_test_object_exists(place->kind->type))
        return;
    prepare(place->call);
    if (kp_test_call6(process, place->call->number, arguments) != KP_ERR_NOT_IMPLEMENTED)
        KP_FAIL("%s takes a %s: kernel/test/objects.c makes none", place->call->name,
                place->kind->type_name);
    finish();
}

KP_TEST(every_type_is_tested)
{
    set_up();
    each_place(expect_type);
    for (const uint32_t *type = kp_test_object_types(); *type; type++) {
        kp_handle_t handle = kp_test_object_handle(process, *type, KP_RIGHTS_ALL);
        KP_EXPECT_INT(kp_test_call(process, object_info, handle, 0x100), KP_OK);
        kp_object_info_t info;
        memcpy(&info, kp_test_memory(process, 0x100), sizeof(info));
        KP_EXPECT_INT(info.type, *type);
    }
    tear_down();
}

KP_TEST(numbers_without_a_call_are_refused)
{
    set_up();
    unsigned missing = 0;
    for (uint32_t number = 0; number < 2 * KP_CALL_LIMIT; number++) {
        bool exists = false;
        for (size_t i = 0; i < COUNT(kp_call_table); i++)
            exists |= kp_call_table[i].number == number;
        if (exists)
            continue;
        missing++;
        KP_EXPECT_INT(kp_test_call6(process, number, (uint64_t[6]){0}), KP_ERR_NOT_SUPPORTED);
    }
    KP_EXPECT_INT(kp_test_call6(process, UINT32_MAX, (uint64_t[6]){0}), KP_ERR_NOT_SUPPORTED);
    KP_EXPECT_INT(missing, 2 * KP_CALL_LIMIT - COUNT(kp_call_table));
    tear_down();
}

KP_TEST_MAIN()
