#include "add.h"

#include "fixed_point.h"

#define LEFT_SHIFT 20 /* room for what the first rounding would lose */

static inline int32_t widened(const samewhy_add_side *side, int32_t code) {
  return samewhy_scaled((code - side->zero_point) * (INT32_C(1) << LEFT_SHIFT), side->factor, side->shift);
}

static inline int8_t sum(const samewhy_add_spec *spec, int32_t first, int32_t second) {
  int32_t wide = widened(&spec->first, first) + spec->sign * widened(&spec->second, second);
  int32_t value = samewhy_scaled(wide, spec->output.factor, spec->output.shift) + spec->output.zero_point;
  return (int8_t)samewhy_clamped(value, spec->low, spec->high);
}

void samewhy_add(const samewhy_add_spec *spec, const int8_t *first, const int8_t *second, int8_t *output) {
  const samewhy_pairs *pairs = &spec->pairs;
  uint32_t first_step = pairs->first_steps[SAMEWHY_AXES - 1], second_step = pairs->second_steps[SAMEWHY_AXES - 1];
  samewhy_pairs_walk walk = {pairs, {0}, 0, 0};
  do {
    const int8_t *one = first + walk.first, *other = second + walk.second;
    for (uint32_t left = pairs->sizes[SAMEWHY_AXES - 1]; left > 0; left--, one += first_step, other += second_step) {
      *output++ = sum(spec, *one, *other);
    }
  } while (samewhy_pairs_next(&walk));
}
