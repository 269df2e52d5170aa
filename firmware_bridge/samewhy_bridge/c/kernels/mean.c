#include "mean.h"

#include "fixed_point.h"

/* Over both reduced axes, from the first element on. */
static int32_t sum(const samewhy_mean_spec *spec, const int8_t *input) {
  uint32_t inner_step = spec->kept[2], outer_step = spec->kept[1] * spec->reduced[1] * inner_step;
  int32_t found = 0;
  for (uint32_t i = 0; i < spec->reduced[0]; i++) {
    for (uint32_t j = 0; j < spec->reduced[1]; j++) found += input[i * outer_step + j * inner_step];
  }
  return found;
}

static int8_t mean(const samewhy_mean_spec *spec, int32_t sum) {
  int32_t value = samewhy_scaled(sum - spec->offset, spec->factor, spec->shift) + spec->zero_point;
  return (int8_t)samewhy_clamped(value, INT8_MIN, INT8_MAX);
}

void samewhy_mean(const samewhy_mean_spec *spec, const int8_t *input, int8_t *output) {
  uint32_t middle_step = spec->reduced[1] * spec->kept[2];
  uint32_t outer_step = spec->reduced[0] * spec->kept[1] * middle_step;
  for (uint32_t i = 0; i < spec->kept[0]; i++) {
    for (uint32_t j = 0; j < spec->kept[1]; j++) {
      for (uint32_t k = 0; k < spec->kept[2]; k++) {
        *output++ = mean(spec, sum(spec, input + i * outer_step + j * middle_step + k));
      }
    }
  }
}
