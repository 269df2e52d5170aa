#ifndef SAMEWHY_DEQUANTIZE_H
#define SAMEWHY_DEQUANTIZE_H

#include <stdint.h>

typedef struct {
  float scale;
  uint32_t elements;
  int8_t zero_point;
} samewhy_dequantize_spec;

/* Output: floats, little-endian, wherever they begin. */
void samewhy_dequantize(const samewhy_dequantize_spec *spec, const int8_t *input, int8_t *output);

#endif
