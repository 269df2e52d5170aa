#include "dequantize.h"

#include <string.h>

void samewhy_dequantize(const samewhy_dequantize_spec *spec, const int8_t *input, int8_t *output) {
  for (uint32_t i = 0; i < spec->elements; i++) {
    float value = (float)(input[i] - spec->zero_point) * spec->scale;
    memcpy(output + i * sizeof value, &value, sizeof value);
  }
}
