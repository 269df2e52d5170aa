#ifndef SAMEWHY_FILL_H
#define SAMEWHY_FILL_H

#include <stdint.h>

typedef struct {
  uint32_t bytes;
  int8_t value;
} samewhy_fill_spec;

void samewhy_fill(const samewhy_fill_spec *spec, int8_t *output);

#endif
