/* A function of one code, of which the host computed all 256 values. */
#ifndef SAMEWHY_LOOKUP_H
#define SAMEWHY_LOOKUP_H

#include <stdint.h>

typedef struct {
  const int8_t *table; /* by the bits of the code, read as a number without sign */
  uint32_t elements;
} samewhy_lookup_spec;

void samewhy_lookup(const samewhy_lookup_spec *spec, const int8_t *input, int8_t *output);

#endif
