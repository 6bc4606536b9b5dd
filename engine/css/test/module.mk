# engine/css/test: tokens, values, selectors, cascade, alone on lexbor.
UNIT_TESTS += css_values css_selectors css_cascade
css_values_TEST_SRC := engine/css/test/test_values.c $(wildcard engine/base/*.c engine/css/*.c engine/dom/*.c)
css_values_TEST_LIBS := lexbor
css_values_TEST_LDFLAGS := -lm
css_selectors_TEST_SRC := engine/css/test/test_selectors.c $(wildcard engine/base/*.c engine/css/*.c engine/dom/*.c)
css_selectors_TEST_LIBS := lexbor
css_selectors_TEST_LDFLAGS := -lm
css_cascade_TEST_SRC := engine/css/test/test_cascade.c $(wildcard engine/base/*.c engine/css/*.c engine/dom/*.c)
css_cascade_TEST_LIBS := lexbor
css_cascade_TEST_LDFLAGS := -lm
