#include "mul.h"

#include "fixed_point.h"

static inline int8_t product(const samewhy_mul_spec *spec, int32_t first, int32_t second) {
  int32_t exact = (first - spec->first_zero_point) * (second - spec->second_zero_point);
  int32_t value = samewhy_scaled(exact, spec->factor, spec->shift) + spec->zero_point;
  return (int8_t)samewhy_clamped(value, spec->low, spec->high);
}

void samewhy_mul(const samewhy_mul_spec *spec, const int8_t *first, const int8_t *second, int8_t *output) {
  const samewhy_pairs *pairs = &spec->pairs;
  uint32_t first_step = pairs->first_steps[SAMEWHY_AXES - 1], second_step = pairs->second_steps[SAMEWHY_AXES - 1];
  samewhy_pairs_walk walk = {pairs, {0}, 0, 0};
  do {
    const int8_t *one = first + walk.first, *other = second + walk.second;
    for (uint32_t left = pairs->sizes[SAMEWHY_AXES - 1]; left > 0; left--, one += first_step, other += second_step) {
      *output++ = product(spec, *one, *other);
    }
  } while (samewhy_pairs_next(&walk));
}
