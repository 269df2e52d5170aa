#include "fill.h"

#include <string.h>

void samewhy_fill(const samewhy_fill_spec *spec, int8_t *output) { memset(output, spec->value, spec->bytes); }
