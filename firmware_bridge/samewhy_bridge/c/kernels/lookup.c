#include "lookup.h"

void samewhy_lookup(const samewhy_lookup_spec *spec, const int8_t *input, int8_t *output) {
  for (uint32_t i = 0; i < spec->elements; i++) output[i] = spec->table[(uint8_t)input[i]];
}
