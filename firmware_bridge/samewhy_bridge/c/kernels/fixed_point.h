/* Whole numbers times real factors, as TFLite Micro rounds them.

   Right shifts of negative numbers are arithmetic on every compiler that this is meant for. */
#ifndef SAMEWHY_FIXED_POINT_H
#define SAMEWHY_FIXED_POINT_H

#include <stdint.h>

/* value * factor / 2^31: the nearest whole number, ties up. No factor is -2^31, so nothing saturates. */
static inline int32_t samewhy_high_product(int32_t value, int32_t factor) {
  return (int32_t)(((int64_t)value * factor + (INT32_C(1) << 30)) >> 31);
}

/* value / 2^exponent: the nearest whole number, ties away from zero. */
static inline int32_t samewhy_divide_by_power(int32_t value, int32_t exponent) {
  int32_t mask = (int32_t)((UINT32_C(1) << exponent) - 1u);
  int32_t threshold = (mask >> 1) + (value < 0);
  return (value >> exponent) + ((value & mask) > threshold);
}

/* value * factor * 2^(shift - 31), rounded twice. */
static inline int32_t samewhy_scaled(int32_t value, int32_t factor, int32_t shift) {
  int32_t left = shift > 0 ? shift : 0;
  int32_t shifted = (int32_t)((uint32_t)value << left);
  return samewhy_divide_by_power(samewhy_high_product(shifted, factor), left - shift);
}

static inline int32_t samewhy_clamped(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}

#endif
