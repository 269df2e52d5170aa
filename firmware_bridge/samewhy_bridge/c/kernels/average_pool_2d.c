#include "average_pool_2d.h"

#include "fixed_point.h"

/* Of the codes of the cells inside; half a step goes away from zero. */
static int32_t average(const samewhy_pool_window *window, int32_t channel) {
  int32_t sum = 0, count = window->rows * window->columns;
  for (int32_t row = 0; row < window->rows; row++) {
    const int8_t *cell = window->cells + row * window->row_step + channel;
    for (int32_t left = window->columns; left > 0; left--, cell += window->step) sum += *cell;
  }
  return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

void samewhy_average_pool_2d(const samewhy_pool_spec *spec, const int8_t *input, int8_t *output) {
  for (int32_t i = 0; i < spec->output_height; i++) {
    for (int32_t j = 0; j < spec->output_width; j++) {
      samewhy_pool_window window = samewhy_pool_at(spec, input, i, j);
      for (int32_t channel = 0; channel < spec->channels; channel++) {
        *output++ = (int8_t)samewhy_clamped(average(&window, channel), spec->low, spec->high);
      }
    }
  }
}
