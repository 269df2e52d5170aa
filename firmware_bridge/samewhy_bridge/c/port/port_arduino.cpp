/* Any Arduino board that has a Serial, of its USB or of its first UART. Source: Arduino language reference, Serial. */
#include <Arduino.h>

extern "C" {
#include "wire/samewhy_port.h"

#ifndef SAMEWHY_SERIAL
#define SAMEWHY_SERIAL Serial
#endif
#ifndef SAMEWHY_BAUD
#define SAMEWHY_BAUD 115200 /* over USB any is as good */
#endif

static const uint32_t patience = 1000; /* milliseconds until a byte that nobody takes is given up */
static bool unsent;

void samewhy_port_init(void) { SAMEWHY_SERIAL.begin(SAMEWHY_BAUD); }

int samewhy_port_get(void) { return SAMEWHY_SERIAL.read(); }

void samewhy_port_put(uint8_t byte) {
  uint32_t since = millis();
  while (SAMEWHY_SERIAL.write(byte) == 0 && millis() - since < patience) yield();
  unsent = true;
}

uint32_t samewhy_port_ticks(void) { return micros(); }

uint32_t samewhy_port_tick_rate(void) { return 1000000; }

void samewhy_port_idle(void) {
  if (unsent) SAMEWHY_SERIAL.flush(); /* USB keeps the last bytes of an answer for more to come */
  unsent = false;
  yield();
}
}
