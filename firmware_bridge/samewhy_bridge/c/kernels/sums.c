#include "sums.h"

#include "fixed_point.h"

void samewhy_codes(const samewhy_sums_spec *spec, const int32_t *sums, uint32_t first, uint32_t count, int8_t *output) {
  uint32_t step = spec->each;
  const int32_t *factors = spec->factors + step * first;
  const int8_t *shifts = spec->shifts + step * first;
  int32_t zero_point = spec->zero_point, low = spec->low, high = spec->high;
  for (const int32_t *end = sums + count; sums < end; factors += step, shifts += step) {
    int32_t value = samewhy_scaled(*sums++, *factors, *shifts) + zero_point;
    *output++ = (int8_t)samewhy_clamped(value, low, high);
  }
}
