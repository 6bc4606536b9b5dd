/* Tools for those who expand abi/calls.def. */
#ifndef KP_ABI_CALL_MACROS_H
#define KP_ABI_CALL_MACROS_H

/* m(argument) for each of 1 to 6 arguments; without and with commas between. */
#define KP_CALL_EACH(m, ...)                                                                     \
    KP_CALL_SEVENTH(__VA_ARGS__, KP_CALL_EACH_6, KP_CALL_EACH_5, KP_CALL_EACH_4, KP_CALL_EACH_3, \
                    KP_CALL_EACH_2, KP_CALL_EACH_1, ~)(m, __VA_ARGS__)
#define KP_CALL_EACH_1(m, a) m(a)
#define KP_CALL_EACH_2(m, a, ...) m(a) KP_CALL_EACH_1(m, __VA_ARGS__)
#define KP_CALL_EACH_3(m, a, ...) m(a) KP_CALL_EACH_2(m, __VA_ARGS__)
#define KP_CALL_EACH_4(m, a, ...) m(a) KP_CALL_EACH_3(m, __VA_ARGS__)
#define KP_CALL_EACH_5(m, a, ...) m(a) KP_CALL_EACH_4(m, __VA_ARGS__)
#define KP_CALL_EACH_6(m, a, ...) m(a) KP_CALL_EACH_5(m, __VA_ARGS__)
#define KP_CALL_LIST(m, ...)                                                                     \
    KP_CALL_SEVENTH(__VA_ARGS__, KP_CALL_LIST_6, KP_CALL_LIST_5, KP_CALL_LIST_4, KP_CALL_LIST_3, \
                    KP_CALL_LIST_2, KP_CALL_LIST_1, ~)(m, __VA_ARGS__)
#define KP_CALL_LIST_1(m, a) m(a)
#define KP_CALL_LIST_2(m, a, ...) m(a), KP_CALL_LIST_1(m, __VA_ARGS__)
#define KP_CALL_LIST_3(m, a, ...) m(a), KP_CALL_LIST_2(m, __VA_ARGS__)
#define KP_CALL_LIST_4(m, a, ...) m(a), KP_CALL_LIST_3(m, __VA_ARGS__)
#define KP_CALL_LIST_5(m, a, ...) m(a), KP_CALL_LIST_4(m, __VA_ARGS__)
#define KP_CALL_LIST_6(m, a, ...) m(a), KP_CALL_LIST_5(m, __VA_ARGS__)
#define KP_CALL_SEVENTH(a, b, c, d, e, f, g, ...) g

/* Of the handle in front: its type (KP_TYPE_*, KP_TYPE_ANY) and rights; -1 and 0 when the first
   argument is none. */
#define KP_CALL_SUBJECT_TYPE(...) KP_CALL_SUBJECT_TYPE_(KP_CALL_FIRST(__VA_ARGS__, ~))
#define KP_CALL_SUBJECT_RIGHTS(...) KP_CALL_SUBJECT_RIGHTS_(KP_CALL_FIRST(__VA_ARGS__, ~))
#define KP_CALL_FIRST(a, ...) a
#define KP_CALL_SUBJECT_TYPE_(argument) KP_CALL_TYPE_OF argument
#define KP_CALL_SUBJECT_RIGHTS_(argument) KP_CALL_RIGHTS_OF argument
#define KP_CALL_TYPE_OF(kind, ...) KP_CALL_TYPE_OF_##kind(__VA_ARGS__)
#define KP_CALL_RIGHTS_OF(kind, ...) KP_CALL_RIGHTS_OF_##kind(__VA_ARGS__)
#define KP_CALL_TYPE_OF_HANDLE(name, type, rights) KP_TYPE_##type
#define KP_CALL_RIGHTS_OF_HANDLE(name, type, rights) (rights)
#define KP_CALL_TYPE_OF_VOID(...) -1
#define KP_CALL_RIGHTS_OF_VOID(...) 0
#define KP_CALL_TYPE_OF_HANDLE_TO_CLOSE(...) -1
#define KP_CALL_RIGHTS_OF_HANDLE_TO_CLOSE(...) 0
#define KP_CALL_TYPE_OF_IN_BYTES(...) -1
#define KP_CALL_RIGHTS_OF_IN_BYTES(...) 0
#define KP_CALL_TYPE_OF_OUT_BYTES(...) -1
#define KP_CALL_RIGHTS_OF_OUT_BYTES(...) 0
#define KP_CALL_TYPE_OF_IN(...) -1
#define KP_CALL_RIGHTS_OF_IN(...) 0
#define KP_CALL_TYPE_OF_OUT(...) -1
#define KP_CALL_RIGHTS_OF_OUT(...) 0
#define KP_CALL_TYPE_OF_INOUT(...) -1
#define KP_CALL_RIGHTS_OF_INOUT(...) 0
#define KP_CALL_TYPE_OF_OUT_HANDLES(...) -1
#define KP_CALL_RIGHTS_OF_OUT_HANDLES(...) 0
#define KP_CALL_TYPE_OF_NUMBER(...) -1
#define KP_CALL_RIGHTS_OF_NUMBER(...) 0
#define KP_CALL_TYPE_OF_PAGE_ADDRESS(...) -1
#define KP_CALL_RIGHTS_OF_PAGE_ADDRESS(...) 0
#define KP_CALL_TYPE_OF_WORD(...) -1
#define KP_CALL_RIGHTS_OF_WORD(...) 0
#define KP_CALL_TYPE_OF_HANDLE_OR_NONE(...) -1
#define KP_CALL_RIGHTS_OF_HANDLE_OR_NONE(...) 0
#define KP_CALL_TYPE_OF_IN_HANDLES(...) -1
#define KP_CALL_RIGHTS_OF_IN_HANDLES(...) 0
#define KP_CALL_TYPE_OF_OUT_OR_NONE(...) -1
#define KP_CALL_RIGHTS_OF_OUT_OR_NONE(...) 0
#define KP_CALL_TYPE_OF_COUNT(...) -1
#define KP_CALL_RIGHTS_OF_COUNT(...) 0
#define KP_CALL_TYPE_OF_FLAGS(...) -1
#define KP_CALL_RIGHTS_OF_FLAGS(...) 0
#define KP_CALL_TYPE_OF_PAGE_OFFSET(...) -1
#define KP_CALL_RIGHTS_OF_PAGE_OFFSET(...) 0
#define KP_CALL_TYPE_OF_PAGE_LENGTH(...) -1
#define KP_CALL_RIGHTS_OF_PAGE_LENGTH(...) 0
#define KP_CALL_TYPE_OF_DEADLINE(...) -1
#define KP_CALL_RIGHTS_OF_DEADLINE(...) 0

#endif
