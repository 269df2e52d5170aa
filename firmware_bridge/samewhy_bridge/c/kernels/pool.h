/* What the pools share: windows over each channel by itself. */
#ifndef SAMEWHY_POOL_H
#define SAMEWHY_POOL_H

#include <stdint.h>

#include "window.h"

typedef struct {
  uint16_t input_height, input_width, channels;
  uint16_t output_height, output_width;
  uint16_t kernel_height, kernel_width;
  uint16_t stride_height, stride_width;
  uint16_t padding_top, padding_left;
  int8_t low, high;
} samewhy_pool_spec;

/* The part of a window that is inside the image; there always is one. */
typedef struct {
  const int8_t *cells;
  int32_t rows, columns;
  int32_t step, row_step;
} samewhy_pool_window;

static inline samewhy_pool_window samewhy_pool_at(const samewhy_pool_spec *spec, const int8_t *input, int32_t i,
                                                  int32_t j) {
  int32_t y = i * spec->stride_height - spec->padding_top, x = j * spec->stride_width - spec->padding_left;
  samewhy_range rows = samewhy_inside(y, spec->kernel_height, 1, spec->input_height);
  samewhy_range columns = samewhy_inside(x, spec->kernel_width, 1, spec->input_width);
  samewhy_pool_window window = {input, rows.count, columns.count, spec->channels, spec->channels * spec->input_width};
  window.cells += (y + rows.first) * window.row_step + (x + columns.first) * window.step;
  return window;
}

#endif
