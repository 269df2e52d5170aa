#include "matmul.h"

#include <string.h>

#include "fixed_point.h"

#define BLOCK 4

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_BIG_ENDIAN)
#include <arm_acle.h>

static inline uint32_t word(const int8_t *bytes) {
  uint32_t found;
  memcpy(&found, bytes, sizeof found);
  return found;
}

static inline uint32_t turned(uint32_t value) { return value >> 8 | value << 24; }

/* Four products at once, two by two; sums wrap as those below do. */
static inline int32_t add_four(int32_t sum, int16x2_t even, int16x2_t odd, const int8_t *weights) {
  uint32_t four = word(weights);
  sum = __smlad(even, __sxtb16(four), sum);
  return __smlad(odd, __sxtb16(turned(four)), sum);
}

static inline void add_block(int32_t sums[BLOCK], const int8_t *inputs, const int8_t *weights) {
  uint32_t four = word(inputs);
  int16x2_t even = __sxtb16(four), odd = __sxtb16(turned(four));
  for (int i = 0; i < BLOCK; i++) sums[i] = add_four(sums[i], even, odd, weights + 4 * i);
}

#else

static inline void add_block(int32_t sums[BLOCK], const int8_t *inputs, const int8_t *weights) {
  int32_t first = inputs[0], second = inputs[1], third = inputs[2], fourth = inputs[3];
  for (int i = 0; i < BLOCK; i++) {
    sums[i] += first * weights[4 * i];
    sums[i] += second * weights[4 * i + 1];
    sums[i] += third * weights[4 * i + 2];
    sums[i] += fourth * weights[4 * i + 3];
  }
}

#endif

static int8_t finished(const samewhy_matmul_spec *spec, int32_t sum, uint32_t output) {
  uint32_t place = spec->each ? output : 0;
  int32_t value = samewhy_scaled(sum, spec->factors[place], spec->shifts[place]) + spec->zero_point;
  return (int8_t)samewhy_clamped(value, spec->low, spec->high);
}

/* Four outputs, from the first of them on. */
static void four_outputs(const samewhy_matmul_spec *spec, const int8_t *column, uint32_t first, int8_t *output) {
  const int8_t *weights = spec->weights + spec->inputs * first;
  int32_t sums[BLOCK];
  for (int i = 0; i < BLOCK; i++) sums[i] = spec->bias[first + (uint32_t)i];
  for (uint32_t left = spec->inputs / 4; left > 0; left--, column += 4, weights += 4 * BLOCK) {
    add_block(sums, column, weights);
  }
  for (uint32_t left = spec->inputs % 4; left > 0; left--, column++, weights += BLOCK) {
    for (int i = 0; i < BLOCK; i++) sums[i] += *column * weights[i];
  }
  for (int i = 0; i < BLOCK; i++) output[i] = finished(spec, sums[i], first + (uint32_t)i);
}

static int8_t one_output(const samewhy_matmul_spec *spec, const int8_t *column, uint32_t which) {
  const int8_t *weights = spec->weights + spec->inputs * which;
  int32_t sum = spec->bias[which];
  for (uint32_t i = 0; i < spec->inputs; i++) sum += column[i] * weights[i];
  return finished(spec, sum, which);
}

void samewhy_matmul(const samewhy_matmul_spec *spec, const int8_t *column, int8_t *output) {
  uint32_t done = 0;
  for (; done + BLOCK <= spec->outputs; done += BLOCK) four_outputs(spec, column, done, output + done);
  for (; done < spec->outputs; done++) output[done] = one_output(spec, column, done);
}
