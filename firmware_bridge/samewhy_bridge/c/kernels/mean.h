#ifndef SAMEWHY_MEAN_H
#define SAMEWHY_MEAN_H

#include <stdint.h>

/* The axes of the input, outermost first, kept and reduced in turn. */
typedef struct {
  uint32_t kept[3], reduced[2];
  int32_t factor; /* of the sum: the scales and one by the number of elements */
  int8_t shift;
  int8_t zero_point;
  int32_t offset; /* the input's zero point * elements of a sum */
} samewhy_mean_spec;

void samewhy_mean(const samewhy_mean_spec *spec, const int8_t *input, int8_t *output);

#endif
