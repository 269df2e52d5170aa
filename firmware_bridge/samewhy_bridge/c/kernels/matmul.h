/* Rows of weights times a column of inputs: the heart of convolutions and dense layers. */
#ifndef SAMEWHY_MATMUL_H
#define SAMEWHY_MATMUL_H

#include <stdint.h>

/* The weights of four outputs lie together: of four inputs the first output's four, the second's, ...; then, of each input
   that is left, one of each output. Outputs that do not fill a block of four follow, each with its inputs in order. */
typedef struct {
  const int8_t *weights;
  const int32_t *bias; /* less zero point of the input * sum of the weights */
  const int32_t *factors;
  const int8_t *shifts;
  uint32_t inputs;
  uint16_t outputs;
  uint8_t each; /* 1: each output has a factor and a shift of its own; 0: one for all */
  int8_t zero_point, low, high; /* of the output */
} samewhy_matmul_spec;

void samewhy_matmul(const samewhy_matmul_spec *spec, const int8_t *column, int8_t *output);

#endif
