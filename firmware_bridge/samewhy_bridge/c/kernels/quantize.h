#ifndef SAMEWHY_QUANTIZE_H
#define SAMEWHY_QUANTIZE_H

#include <stdint.h>

typedef struct {
  float scale;
  uint32_t elements;
  int8_t zero_point;
} samewhy_quantize_spec;

/* Input: floats, little-endian, wherever they begin. May be written over its input. */
void samewhy_quantize(const samewhy_quantize_spec *spec, const int8_t *input, int8_t *output);

#endif
