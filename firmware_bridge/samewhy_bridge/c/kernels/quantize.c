#include "quantize.h"

#include <string.h>

#include "fixed_point.h"

#define BEYOND 1024.0f /* more steps than there are codes */

/* The nearest whole number; ties go away from zero, what is no number to zero. */
static int32_t nearest(float steps) {
  if (!(steps > -BEYOND)) return steps == steps ? (int32_t)-BEYOND : 0;
  if (steps > BEYOND) return (int32_t)BEYOND;
  int32_t whole = (int32_t)steps;
  float rest = steps - (float)whole; /* exact */
  return rest >= 0.5f ? whole + 1 : rest <= -0.5f ? whole - 1 : whole;
}

void samewhy_quantize(const samewhy_quantize_spec *spec, const int8_t *input, int8_t *output) {
  for (uint32_t i = 0; i < spec->elements; i++) {
    float value;
    memcpy(&value, input + i * sizeof value, sizeof value);
    output[i] = (int8_t)samewhy_clamped(nearest(value / spec->scale) + spec->zero_point, INT8_MIN, INT8_MAX);
  }
}
