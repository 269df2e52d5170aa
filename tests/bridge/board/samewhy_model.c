#include "samewhy_model.h"

#include <string.h>

#ifndef MARK
#define MARK 1 /* another one makes another model */
#endif

#ifndef TIMES
#define TIMES 0 /* operator 0 is run for nothing: a board that takes its time */
#endif

const samewhy_model_info samewhy_model = {
    .sha256 = {MARK, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30},
    .name = "hash",
    .input = {SAMEWHY_INT8, 4, {1, 28, 28, 1}, 0.00390625f, -128, 784},
#ifdef FLOATS
    .output = {SAMEWHY_FLOAT32, 2, {1, 10}, 0.0f, 0, 40},
#else
    .output = {SAMEWHY_INT8, 2, {1, 10}, 0.0625f, 3, 10},
#endif
    .arena_bytes = SAMEWHY_ARENA_BYTES,
    .constant_bytes = 40,
    .macs = 7840,
    .operators = 2,
    .layers = 2,
};
const samewhy_layer samewhy_layers[] = {{0, 1, SAMEWHY_INT8, 784, 784}, {1, 2, SAMEWHY_INT8, 1568, 10}};

static int8_t arena[SAMEWHY_ARENA_BYTES];

int8_t *samewhy_input(void) { return arena; }
const int8_t *samewhy_output(void) { return arena + 1568; }
const int8_t *samewhy_arena_at(uint32_t offset) { return arena + offset; }

/* Operator 0: every byte with the other sign, and its place added. */
static void turn(void) {
  for (int i = 0; i < 784; i++) arena[784 + i] = (int8_t)(-arena[i] + i);
}

/* Operator 1. It ruins the input, as a plan of the arena may. */
static void hash(void) {
  for (uint32_t k = 0; k < 10; k++) {
    uint32_t value = 2166136261u ^ (k + MARK);
    for (int i = 0; i < 784; i++) value = (value ^ (uint8_t)arena[784 + i]) * 16777619u;
    arena[1568 + k] = (int8_t)(value >> 24);
  }
  memset(arena, 0x55, 784);
}

void samewhy_invoke_first(uint16_t operators) {
  if (operators > 0) turn();
  if (operators > 1) hash();
}

void samewhy_invoke(void) {
#ifdef FLOATS
  memcpy(arena + 1568, arena, SAMEWHY_OUTPUT_BYTES);
#else
  for (int i = 0; i < TIMES; i++) samewhy_invoke_first(1);
  samewhy_invoke_first(2);
#endif
}
