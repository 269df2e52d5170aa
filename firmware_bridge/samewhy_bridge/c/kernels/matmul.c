#include "matmul.h"

#define BLOCK SAMEWHY_BLOCK

typedef struct {
  int32_t first, second, third, fourth; /* of the outputs of a block; by name, so that each has a register */
} four_sums;

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_BIG_ENDIAN)
#include <arm_acle.h>

/* One load, wherever it begins; freestanding, plain memcpy would be a call. */
static inline uint32_t word(const int8_t *bytes) {
  uint32_t found;
  __builtin_memcpy(&found, bytes, sizeof found);
  return found;
}

static inline int16x2_t even(uint32_t four) { return __sxtb16((int8x4_t)four); }
static inline int16x2_t odd(uint32_t four) { return __sxtb16((int8x4_t)(four >> 8 | four << 24)); }

/* Four inputs: two products an instruction. Sums wrap as those below do. */
static inline void add_four(four_sums *to, const int8_t *inputs, const int8_t *weights) {
  uint32_t four = word(inputs);
  int16x2_t evens = even(four), odds = odd(four);
  uint32_t first = word(weights), second = word(weights + 4), third = word(weights + 8), fourth = word(weights + 12);
  to->first = __smlad(odds, odd(first), __smlad(evens, even(first), to->first));
  to->second = __smlad(odds, odd(second), __smlad(evens, even(second), to->second));
  to->third = __smlad(odds, odd(third), __smlad(evens, even(third), to->third));
  to->fourth = __smlad(odds, odd(fourth), __smlad(evens, even(fourth), to->fourth));
}

#else

static inline int32_t products(int32_t sum, int32_t a, int32_t b, int32_t c, int32_t d, const int8_t *weights) {
  sum += a * weights[0];
  sum += b * weights[1];
  sum += c * weights[2];
  return sum + d * weights[3];
}

static inline void add_four(four_sums *to, const int8_t *inputs, const int8_t *weights) {
  int32_t a = inputs[0], b = inputs[1], c = inputs[2], d = inputs[3];
  to->first = products(to->first, a, b, c, d, weights);
  to->second = products(to->second, a, b, c, d, weights + 4);
  to->third = products(to->third, a, b, c, d, weights + 8);
  to->fourth = products(to->fourth, a, b, c, d, weights + 12);
}

#endif

static inline void add_one(four_sums *to, int32_t input, const int8_t *weights) {
  to->first += input * weights[0];
  to->second += input * weights[1];
  to->third += input * weights[2];
  to->fourth += input * weights[3];
}

/* Four outputs, from the first of them on. */
static void four_outputs(const samewhy_matmul_spec *spec, const int8_t *column, uint32_t first, int8_t *output) {
  const int8_t *weights = spec->weights + spec->inputs * first, *end = column + (spec->inputs & ~3u);
  const int32_t *bias = spec->sums.bias + first;
  four_sums found = {bias[0], bias[1], bias[2], bias[3]};
  for (; column < end; column += 4, weights += 4 * BLOCK) add_four(&found, column, weights);
  for (end += spec->inputs & 3u; column < end; column++, weights += BLOCK) add_one(&found, *column, weights);
  int32_t sums[BLOCK] = {found.first, found.second, found.third, found.fourth};
  samewhy_codes(&spec->sums, sums, first, BLOCK, output);
}

static void one_output(const samewhy_matmul_spec *spec, const int8_t *column, uint32_t which, int8_t *output) {
  const int8_t *weights = spec->weights + spec->inputs * which;
  int32_t sum = spec->sums.bias[which];
  for (uint32_t i = 0; i < spec->inputs; i++) sum += column[i] * weights[i];
  samewhy_codes(&spec->sums, &sum, which, 1, output);
}

void samewhy_matmul(const samewhy_matmul_spec *spec, const int8_t *column, int8_t *output) {
  uint32_t done = 0;
  for (; done + BLOCK <= spec->outputs; done += BLOCK) four_outputs(spec, column, done, output + done);
  for (; done < spec->outputs; done++) one_output(spec, column, done, output + done);
}
