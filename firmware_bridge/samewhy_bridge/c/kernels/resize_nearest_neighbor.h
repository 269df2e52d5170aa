#ifndef SAMEWHY_RESIZE_NEAREST_NEIGHBOR_H
#define SAMEWHY_RESIZE_NEAREST_NEIGHBOR_H

#include <stdint.h>

typedef struct {
  const uint16_t *rows, *columns; /* of the input, one for each row and column of the output */
  uint16_t output_height, output_width;
  uint32_t row_bytes, cell_bytes; /* of the input */
} samewhy_resize_nearest_neighbor_spec;

void samewhy_resize_nearest_neighbor(const samewhy_resize_nearest_neighbor_spec *spec, const int8_t *input,
                                     int8_t *output);

#endif
