#include <string.h>

#include "samewhy_wire.h"

/* Every number the lowest byte first, whatever the machine. */
static uint8_t *number(uint8_t *at, uint64_t value, uint8_t bytes) {
  for (uint8_t i = 0; i < bytes; i++) *at++ = (uint8_t)(value >> (8u * i));
  return at;
}

static uint8_t *real(uint8_t *at, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return number(at, bits, 4);
}

/* A length, then so many characters: at most 63, so that four of them fit. */
static uint8_t *text(uint8_t *at, const char *words) {
  uint8_t length = 0;
  while (words[length] && length < 63) length++;
  *at++ = length;
  memcpy(at, words, length);
  return at + length;
}

static uint8_t *end_of_model(uint8_t *at, const samewhy_end *end) {
  at = number(at, (uint64_t)end->type, 1);
  at = number(at, end->rank, 1);
  for (uint8_t i = 0; i < SAMEWHY_RANK; i++) at = number(at, i < end->rank ? end->dims[i] : 0u, 2);
  at = real(at, end->scale);
  at = number(at, (uint32_t)end->zero_point, 4);
  return number(at, end->bytes, 4);
}

uint16_t samewhy_about(uint8_t *out) {
  uint8_t *at = out;
  at = number(at, SAMEWHY_PROTOCOL, 1);
  at = number(at, SAMEWHY_PACKS | (SAMEWHY_ASCII ? SAMEWHY_SPEAKS_ASCII : 0u), 1);
  at = number(at, SAMEWHY_BATCH, 2);
  at = number(at, SAMEWHY_ROOM, 4);
  at = number(at, samewhy_port_tick_rate(), 4);
  memcpy(at, samewhy_model.sha256, 32);
  at = number(at + 32, SAMEWHY_FILE_BYTES, 4);
  at = number(at, samewhy_model.arena_bytes, 4);
  at = number(at, samewhy_model.constant_bytes, 4);
  at = number(at, samewhy_model.macs, 8);
  at = number(at, samewhy_model.layers, 2);
  at = end_of_model(at, &samewhy_model.input);
  at = end_of_model(at, &samewhy_model.output);
  at = text(at, SAMEWHY_RUNTIME);
  at = text(at, SAMEWHY_KERNELS);
  at = text(at, SAMEWHY_MACHINE);
  at = text(at, samewhy_model.name);
  return (uint16_t)(at - out);
}
