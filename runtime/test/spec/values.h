/* Arguments and expected results of the suites: from JSON, and compared. */
#ifndef KP_RUNTIME_TEST_SPEC_VALUES_H
#define KP_RUNTIME_TEST_SPEC_VALUES_H

#include "runtime/test/spec/json.h"
#include "runtime/test/spec/spec_engine.h"

/* {"type": "i32", "value": "7"}; false when it is not such. */
bool kp_spec_value_read(const kp_json_t *json, kp_spec_value_t *value);

/* Is *actual what the JSON wants? Understands nan:canonical and nan:arithmetic, lanes of v128,
   references of any value, and "either" lists. */
bool kp_spec_value_matches(const kp_json_t *wanted, const kp_spec_value_t *actual);

/* "i32:7": for messages. */
void kp_spec_value_print(const kp_spec_value_t *value, char *text, size_t size);

#endif
