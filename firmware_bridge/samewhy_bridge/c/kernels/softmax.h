#ifndef SAMEWHY_SOFTMAX_H
#define SAMEWHY_SOFTMAX_H

#include <stdint.h>

typedef struct {
  const int32_t *exps; /* of minus 0, 1, ... steps, in Q0; beyond the last they are nothing */
  uint16_t entries;
  uint32_t rows, depth;
} samewhy_softmax_spec;

void samewhy_softmax(const samewhy_softmax_spec *spec, const int8_t *input, int8_t *output);

#endif
