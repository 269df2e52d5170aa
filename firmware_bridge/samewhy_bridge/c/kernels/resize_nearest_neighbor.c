#include "resize_nearest_neighbor.h"

#include <string.h>

void samewhy_resize_nearest_neighbor(const samewhy_resize_nearest_neighbor_spec *spec, const int8_t *input,
                                     int8_t *output) {
  for (uint32_t i = 0; i < spec->output_height; i++) {
    const int8_t *row = input + spec->rows[i] * spec->row_bytes;
    for (uint32_t j = 0; j < spec->output_width; j++, output += spec->cell_bytes) {
      memcpy(output, row + spec->columns[j] * spec->cell_bytes, spec->cell_bytes);
    }
  }
}
