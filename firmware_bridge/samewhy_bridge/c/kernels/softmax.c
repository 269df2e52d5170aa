#include "softmax.h"

#include "fixed_point.h"

#define SUM_BITS 12 /* before the binary point of the sum */
#define ONE_IN_Q2 (INT32_C(1) << 29)
#define F48_BY_17 INT32_C(1515870810) /* in Q2 */
#define MINUS_F32_BY_17 INT32_C(-1010580540)

static int8_t largest(const int8_t *input, uint32_t depth) {
  int8_t found = INT8_MIN;
  for (uint32_t i = 0; i < depth; i++) found = input[i] > found ? input[i] : found;
  return found;
}

static int32_t exp_of(const samewhy_softmax_spec *spec, int32_t below) {
  return below < spec->entries ? spec->exps[below] : 0;
}

static int32_t sum_of_exps(const samewhy_softmax_spec *spec, const int8_t *input, int32_t top) {
  int32_t sum = 0;
  for (uint32_t i = 0; i < spec->depth; i++) {
    sum += samewhy_divide_by_power(exp_of(spec, top - input[i]), SUM_BITS);
  }
  return sum;
}

static int32_t leading_zeros(uint32_t value) {
  int32_t count = 0;
  for (; !(value & UINT32_C(0x80000000)); value <<= 1) count++;
  return count;
}

/* 1 / (1 + x) in Q0, for x in Q0 that is not negative: three steps of Newton and Raphson. */
static int32_t reciprocal(int32_t x) {
  int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
  int32_t found = F48_BY_17 + samewhy_high_product(half_denominator, MINUS_F32_BY_17);
  for (int i = 0; i < 3; i++) {
    int32_t rest = ONE_IN_Q2 - samewhy_high_product(half_denominator, found);
    found += samewhy_high_product(found, rest) * 4;
  }
  return found > INT32_MAX / 2 ? INT32_MAX : found * 2;
}

static void row(const samewhy_softmax_spec *spec, const int8_t *input, int8_t *output) {
  int32_t top = largest(input, spec->depth);
  uint32_t sum = (uint32_t)sum_of_exps(spec, input, top);
  int32_t zeros = leading_zeros(sum);
  int32_t scale = reciprocal((int32_t)((sum << zeros) - UINT32_C(0x80000000)));
  int32_t shift = SUM_BITS - zeros + 31 - 8;
  for (uint32_t i = 0; i < spec->depth; i++) {
    int32_t share = samewhy_high_product(scale, exp_of(spec, top - input[i]));
    output[i] = (int8_t)samewhy_clamped(samewhy_divide_by_power(share, shift) + INT8_MIN, INT8_MIN, INT8_MAX);
  }
}

void samewhy_softmax(const samewhy_softmax_spec *spec, const int8_t *input, int8_t *output) {
  for (uint32_t i = 0; i < spec->rows; i++, input += spec->depth, output += spec->depth) row(spec, input, output);
}
