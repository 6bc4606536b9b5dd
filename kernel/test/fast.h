#include "kernel/machine/fast_generic.h"
