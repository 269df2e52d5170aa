/* Rows of weights times a column of inputs: the heart of convolutions and dense layers. */
#ifndef SAMEWHY_MATMUL_H
#define SAMEWHY_MATMUL_H

#include <stdint.h>

#include "sums.h"

/* The weights of four outputs lie together: of four inputs the first output's four, the second's, ...; then, of each input
   that is left, one of each output. Outputs that do not fill a block of four follow, each with its inputs in order. */
typedef struct {
  const int8_t *weights;
  uint32_t inputs;
  uint16_t outputs;
  samewhy_sums_spec sums; /* its bias is less the input's zero point * the sum of the weights */
} samewhy_matmul_spec;

void samewhy_matmul(const samewhy_matmul_spec *spec, const int8_t *column, int8_t *output);

#endif
