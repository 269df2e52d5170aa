#include "max_pool_2d.h"

#include "fixed_point.h"

static int32_t largest(const samewhy_pool_window *window, int32_t channel) {
  int32_t found = INT8_MIN;
  for (int32_t row = 0; row < window->rows; row++) {
    const int8_t *cell = window->cells + row * window->row_step + channel;
    for (int32_t left = window->columns; left > 0; left--, cell += window->step) found = *cell > found ? *cell : found;
  }
  return found;
}

void samewhy_max_pool_2d(const samewhy_pool_spec *spec, const int8_t *input, int8_t *output) {
  for (int32_t i = 0; i < spec->output_height; i++) {
    for (int32_t j = 0; j < spec->output_width; j++) {
      samewhy_pool_window window = samewhy_pool_at(spec, input, i, j);
      for (int32_t channel = 0; channel < spec->channels; channel++) {
        *output++ = (int8_t)samewhy_clamped(largest(&window, channel), spec->low, spec->high);
      }
    }
  }
}
