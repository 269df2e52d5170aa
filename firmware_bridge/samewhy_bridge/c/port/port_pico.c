/* Raspberry Pi Pico SDK: standard input and output, over USB as CMakeLists.txt has it. Source: pico-sdk, pico_stdio. */
#include "pico/stdlib.h"
#include "samewhy_port.h"

void samewhy_port_init(void) { stdio_init_all(); }

int samewhy_port_get(void) {
  int byte = getchar_timeout_us(0);
  return byte < 0 ? -1 : byte; /* PICO_ERROR_TIMEOUT is below 0 */
}

void samewhy_port_put(uint8_t byte) { putchar_raw(byte); } /* raw: no carriage return before a line feed */

uint32_t samewhy_port_ticks(void) { return time_us_32(); }

uint32_t samewhy_port_tick_rate(void) { return 1000000; }

void samewhy_port_idle(void) {
  stdio_flush();
  tight_loop_contents();
}
