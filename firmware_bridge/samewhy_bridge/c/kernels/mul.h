#ifndef SAMEWHY_MUL_H
#define SAMEWHY_MUL_H

#include <stdint.h>

#include "pairs.h"

typedef struct {
  samewhy_pairs pairs;
  int32_t factor;
  int8_t shift;
  int8_t first_zero_point, second_zero_point, zero_point, low, high;
} samewhy_mul_spec;

void samewhy_mul(const samewhy_mul_spec *spec, const int8_t *first, const int8_t *second, int8_t *output);

#endif
