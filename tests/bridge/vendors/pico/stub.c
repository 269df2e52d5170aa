#include "../host.h"
#include "pico/stdlib.h"

bool stdio_init_all(void) {
  host_init();
  return true;
}
int getchar_timeout_us(uint32_t timeout) {
  int byte = host_get();
  return byte < 0 && !timeout ? -1 : byte;
}
int putchar_raw(int byte) {
  host_put((uint8_t)byte);
  return byte;
}
void stdio_flush(void) {}
uint32_t time_us_32(void) { return host_ticks(); }
void tight_loop_contents(void) { host_idle(); }
