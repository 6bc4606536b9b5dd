/* Which elements a selector matches, and how specific it is. */
#include "engine/css/test/page.h"

/* Each element of interest has an id of one letter. */
static const char html[] =
    "<!DOCTYPE html><html id=h lang=en-GB><head><title id=t>x</title></head><body id=b class='one "
    "Two'><div id=c class=box title='hello big world' data-v=a-b-c><p id=d class=first>text</p><p "
    "id=e>t</p><span id=f></span><p id=g class='last x'><b id=i>b</b></p></div><ul id=j><li id=k>"
    "<li id=l><li id=m lang=fr><li id=n></ul><a id=o href=#>l</a><a id=p>n</a><input id=q "
    "type=CHECKBOX checked disabled><input id=r readonly required><form id=s> </form><div "
    "id=target><!-- c --></div><svg id=u><g id=v></g></svg><x-y id=w></x-y></body></html>";

static page_t page;

/* The letters of the elements that match; "!" when the selector is not valid. */
static const char *matched(const char *selector, bool quirks)
{
    static char out[64];
    size_t used = 0, count;
    kp_arena_t arena = {0};
    kp_css_context_t context = {.arena = &arena, .atoms = &page.atoms, .quirks = quirks};
    kp_css_token_t *tokens = kp_css_tokenize(&context, selector, strlen(selector), &count);
    const kp_css_selector_t *list = kp_css_parse_selectors(&context, selector, tokens, count);
    kp_css_match_context_t match = {.root = page.root,
                                    .target = kp_dom_target(page.root, "target", 6),
                                    .atoms = &page.atoms,
                                    .quirks = quirks};
    for (kp_node_t *node = page.root; list && node; node = kp_dom_next(node, page.root)) {
        size_t size;
        const char *id = kp_dom_is_element(node) ? kp_dom_attribute(node, "id", &size) : NULL;
        bool any = false;
        for (const kp_css_selector_t *s = list; id && s && !any; s = s->next) {
            match.steps = 10000;
            any = !s->pseudo_element && kp_css_selector_matches(&match, s, node);
        }
        if (any && used + 1 < sizeof out)
            out[used++] = *id;
    }
    out[used] = 0;
    if (!list)
        strcpy(out, "!");
    free(tokens);
    kp_arena_clear(&arena);
    return out;
}

typedef struct expected {
    const char *selector, *letters;
} expected_t;

static void expect_all(const expected_t *cases, size_t count)
{
    /* The sheet names what the selectors name, so that elements know their classes. */
    static const char names[] = ".one,.Two,.box,.first,.last,.x,.two,#h,#t,#b,#c,#d,#e,#f,#g,#i,#j,"
                                "#k,#l,#m,#n,#o,#p,#q,#r,#s,#target,#u,#v,#w{}";
    page_open(&page, html, names);
    KP_EXPECT_INT(page.status, KP_OK);
    for (size_t i = 0; i < count && page.root; i++) {
        const char *letters = matched(cases[i].selector, false);
        if (strcmp(letters, cases[i].letters) != 0)
            KP_FAIL("%s matches \"%s\", expected \"%s\"", cases[i].selector, letters,
                    cases[i].letters);
    }
    page_clear(&page);
}
#define EXPECT_ALL(cases) expect_all(cases, sizeof cases / sizeof *cases)

KP_TEST(css_selectors_simple)
{
    static const expected_t cases[] = {
        {"p", "deg"},
        {"P", "deg"},
        {"#d", "d"},
        {"#D", ""},
        {".box", "c"},
        {".Box", ""},
        {".one.Two", "b"},
        {".one.two", ""},
        {"p.last", "g"},
        {"ul *", "klmn"},
        {"x-y", "w"},
        {"g", "v"},
        {"p,b", "degi"},
        {"*|p", "deg"},
        {"#d.first", "d"},
        {".x.x.x", "g"},
        {"", "!"},
        {"p,", "!"},
        {",p", "!"},
        {"p..x", "!"},
        {"#1", "!"},
        {"p >", "!"},
        {"> p", "!"},
        {"p > > b", "!"},
        {"p$", "!"},
        {"1", "!"},
        {"p:nosuch", "!"},
        {"p::nosuch", "!"},
        {"p::before.x", "!"},
        {"p::before b", "!"},
        {"p)", "!"},
        {"p:not(", "!"},
    };
    EXPECT_ALL(cases);
}

KP_TEST(css_selectors_combinators)
{
    static const expected_t cases[] = {
        {"body b", "i"},
        {"div b", "i"},
        {"div > b", ""},
        {"div>p", "deg"},
        {"p + p", "e"},
        {"p ~ p", "eg"},
        {"p~span~p", "g"},
        {"span+p>b", "i"},
        {"html>body>ul>li", "klmn"},
        {"li+li+li", "mn"},
        {"head ~ body li ~ li", "lmn"},
        {"div div b", ""},
        {"#c p ~ p b", "i"},
        {"b p", ""},
        {"li ~ a", ""},
        {"ul ~ a + a", "p"},
        {"body > * > b", ""},
        {"body * * b", "i"},
        {".box/**/>/**/p", "deg"},
    };
    EXPECT_ALL(cases);
}

KP_TEST(css_selectors_attributes)
{
    static const expected_t cases[] = {
        {"[title]", "c"},
        {"[TITLE]", "c"},
        {"[title='hello big world']", "c"},
        {"[title=hello]", ""},
        {"[title~=big]", "c"},
        {"[title~=bi]", ""},
        {"[title~='big world']", ""},
        {"[title~='']", ""},
        {"[title^=hello]", "c"},
        {"[title^='']", ""},
        {"[title$=world]", "c"},
        {"[title$=worl]", ""},
        {"[title*='o b']", "c"},
        {"[title*='']", ""},
        {"[data-v|=a]", "c"},
        {"[data-v|=a-b]", "c"},
        {"[data-v|=a-]", ""},
        {"[lang|=en]", "h"},
        {"[title=HELLO i]", ""},
        {"[title^=HELLO i]", "c"},
        {"[title^=HELLO]", ""},
        {"[type=checkbox]", "q"},
        {"[type=checkbox s]", ""},
        {"[ title ^= \"hello\" ]", "c"},
        {"[title^=hello", "!"},
        {"[title^hello]", "!"},
        {"[=x]", "!"},
        {"[title=]", "!"},
        {"[1]", "!"},
    };
    EXPECT_ALL(cases);
}

KP_TEST(css_selectors_positions)
{
    static const expected_t cases[] = {
        {"li:first-child", "k"},
        {"li:last-child", "n"},
        {"li:nth-child(2)", "l"},
        {"li:nth-child(odd)", "km"},
        {"li:nth-child(EVEN)", "ln"},
        {"li:nth-child(2n+1)", "km"},
        {"li:nth-child( 2n + 1 )", "km"},
        {"li:nth-child(-n+2)", "kl"},
        {"li:nth-child(n+3)", "mn"},
        {"li:nth-child(n)", "klmn"},
        {"li:nth-child(3n-1)", "l"},
        {"li:nth-child(-2n+3)", "km"},
        {"li:nth-child(0)", ""},
        {"li:nth-child(-1)", ""},
        {"li:nth-child(99999999999999)", ""},
        {"li:nth-last-child(1)", "n"},
        {"li:nth-last-child(-n+2)", "mn"},
        {"p:nth-of-type(2)", "e"},
        {"p:nth-child(4)", "g"},
        {"p:nth-last-of-type(1)", "g"},
        {"#c > :last-of-type", "fg"},
        {"#c > :first-of-type", "df"},
        {"span:only-of-type", "f"},
        {"b:only-child", "i"},
        {"li:only-child", ""},
        {"p:nth-child(2n1)", "!"},
        {"p:nth-child(x)", "!"},
        {"p:nth-child()", "!"},
        {"p:nth-child(1.5)", "!"},
        {"p:nth-child(n+-1)", "!"},
    };
    EXPECT_ALL(cases);
}

KP_TEST(css_selectors_lists)
{
    static const expected_t cases[] = {
        {":is(p,b).x", "g"},
        {":is(p,%,b)", "degi"},
        {":is()", ""},
        {":where(#c,#j) > *", "defgklmn"},
        {"p:not(.first)", "eg"},
        {"p:not(.first,.last)", "e"},
        {"p:not(p)", ""},
        {"p:not()", "!"},
        {"p:not(%)", "!"},
        {"div:has(b)", "c"},
        {"div:has(> b)", ""},
        {"p:has(+ span)", "e"},
        {"p:has(~ p)", "de"},
        {"div:has(p b, x)", "c"},
        {"div:has(:has(b))", "!"},
        {"div:has(:is(:has(b)))", ""},
        {":is(p::before)", ""},
        {":is(:is(:is(:is(:is(:is(:is(:is(:is(p))))))))), p:is(b,p)", "deg"},
        {":not(p::before)", "!"},
        {":is(:is(:is(p)))", "deg"},
        {":is(div > p) b", "i"},
    };
    EXPECT_ALL(cases);
}

KP_TEST(css_selectors_states)
{
    static const expected_t cases[] = {
        {":root", "h"},          {"a:link", "o"},          {"a:any-link", "o"},
        {":checked", "q"},       {"input:disabled", "q"},  {"input:enabled", "r"},
        {"input:required", "r"}, {"div:target", "t"},      {"p:lang(en)", "deg"},
        {"li:lang(fr)", "m"},    {"li:lang(en)", "kln"},   {"li:lang(e)", ""},
        {"div:empty", "t"},      {"form:empty", ""},       {"span:empty", "f"},
        {"p:hover", ""},         {"p:not(:hover)", "deg"}, {"a:visited", ""},
    };
    EXPECT_ALL(cases);
}

KP_TEST(css_selectors_specificity)
{
    static const struct {
        const char *selector;
        uint32_t a, b, c;
    } cases[] = {
        {"*", 0, 0, 0},
        {"p", 0, 0, 1},
        {"ul ol+li", 0, 0, 3},
        {"h1 + *[rel=up]", 0, 1, 1},
        {"li.red.level", 0, 2, 1},
        {"#x34y", 1, 0, 0},
        {"#s12:not(foo)", 1, 0, 1},
        {".foo :is(.bar, #baz)", 1, 1, 0},
        {":where(#a) p", 0, 0, 1},
        {"p::before", 0, 0, 2},
        {"a:hover", 0, 1, 1},
        {":nth-child(2)", 0, 1, 0},
        {":has(#a p)", 1, 0, 1},
        {"x|p", 0, 0, 1},
    };
    kp_css_atoms_t atoms = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kp_arena_t arena = {0};
        size_t count;
        kp_css_context_t context = {.arena = &arena, .atoms = &atoms};
        const char *text = cases[i].selector;
        kp_css_token_t *tokens = kp_css_tokenize(&context, text, strlen(text), &count);
        const kp_css_selector_t *s = kp_css_parse_selectors(&context, text, tokens, count);
        uint32_t expected = cases[i].a << 20 | cases[i].b << 10 | cases[i].c;
        if (!s || s->specificity != expected)
            KP_FAIL("%s: %x, expected %x", text, s ? s->specificity : 0, expected);
        free(tokens);
        kp_arena_clear(&arena);
    }
    kp_css_atoms_clear(&atoms);
}

KP_TEST_MAIN()
