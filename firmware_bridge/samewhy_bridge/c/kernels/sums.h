/* How sums of products become codes. */
#ifndef SAMEWHY_SUMS_H
#define SAMEWHY_SUMS_H

#include <stdint.h>

#define SAMEWHY_BLOCK 4 /* outputs whose sums are made together */

typedef struct {
  const int32_t *bias; /* where sums start */
  const int32_t *factors;
  const int8_t *shifts;
  uint8_t each; /* 1: each output has a factor and a shift of its own; 0: one for all */
  int8_t zero_point, low, high;
} samewhy_sums_spec;

/* Codes of some outputs, from the first of them on. */
void samewhy_codes(const samewhy_sums_spec *spec, const int32_t *sums, uint32_t first, uint32_t count, int8_t *output);

#endif
