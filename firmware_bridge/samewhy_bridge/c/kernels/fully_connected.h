#ifndef SAMEWHY_FULLY_CONNECTED_H
#define SAMEWHY_FULLY_CONNECTED_H

#include "matmul.h"

typedef struct {
  samewhy_matmul_spec matmul;
  uint16_t rows;
} samewhy_fully_connected_spec;

void samewhy_fully_connected(const samewhy_fully_connected_spec *spec, const int8_t *input, int8_t *output);

#endif
