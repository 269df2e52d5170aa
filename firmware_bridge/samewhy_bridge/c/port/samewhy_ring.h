/* Bytes that an interrupt received and the loop has not read yet: one writer, one reader, no lock. */
#ifndef SAMEWHY_RING_H
#define SAMEWHY_RING_H

#include <stdint.h>

#include "samewhy_port.h"

#if SAMEWHY_ROOM == 0 || (SAMEWHY_ROOM & (SAMEWHY_ROOM - 1u))
#error "SAMEWHY_ROOM: expected a power of two"
#endif

static volatile uint8_t ring[SAMEWHY_ROOM];
static volatile uint32_t ring_written, ring_read; /* they wrap, their difference does not */

static inline int ring_full(void) { return ring_written - ring_read == SAMEWHY_ROOM; }
static inline int ring_empty(void) { return ring_written == ring_read; }

static inline void ring_put(uint8_t byte) {
  ring[ring_written % SAMEWHY_ROOM] = byte;
  ring_written = ring_written + 1u;
}

static inline uint8_t ring_get(void) {
  uint8_t byte = ring[ring_read % SAMEWHY_ROOM];
  ring_read = ring_read + 1u;
  return byte;
}

#endif
