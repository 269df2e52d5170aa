#include "rows.h"

#include <string.h>

static int8_t *place_of(const samewhy_rows_spec *spec, int8_t *room, int32_t row) {
  return room + (uint32_t)row % spec->kept * spec->bytes;
}

void samewhy_rows(const samewhy_rows_spec *spec, const int8_t *input, int32_t i, int8_t *room, const int8_t **rows) {
  int32_t row = i * spec->stride - spec->padding, size = (int32_t)spec->bytes;
  if (spec->kept && i < spec->height) memcpy(place_of(spec, room, i), input + i * size, spec->bytes);
  for (uint32_t k = 0; k < spec->kernel; k++, row += spec->dilation) {
    if (row < 0 || row >= spec->height) {
      rows[k] = 0;
    } else {
      rows[k] = spec->kept && row <= i ? place_of(spec, room, row) : input + row * size;
    }
  }
}
