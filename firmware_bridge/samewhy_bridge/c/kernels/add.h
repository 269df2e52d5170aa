#ifndef SAMEWHY_ADD_H
#define SAMEWHY_ADD_H

#include <stdint.h>

#include "pairs.h"

typedef struct {
  int32_t factor;
  int8_t shift;
  int16_t zero_point;
} samewhy_add_side;

/* first + second, or first - second. */
typedef struct {
  samewhy_pairs pairs;
  samewhy_add_side first, second, output;
  int8_t sign; /* of the second */
  int8_t low, high;
} samewhy_add_spec;

void samewhy_add(const samewhy_add_spec *spec, const int8_t *first, const int8_t *second, int8_t *output);

#endif
