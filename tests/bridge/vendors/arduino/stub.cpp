#include <Arduino.h>

#include "../host.h"
Stream Serial;
unsigned long millis(void) { return host_ticks() / 1000; }
unsigned long micros(void) { return host_ticks(); }
void delay(unsigned long) {}
static bool retrying;
void yield(void) {
  if (!retrying) host_idle();
}
void Stream::begin(unsigned long) { host_init(); }
int Stream::read(void) { return host_get(); }
size_t Stream::write(uint8_t byte) {
  static int refused;
  retrying = refused++ % 7 == 3; /* a full buffer: the port tries again */
  if (retrying) return 0;
  host_put(byte);
  return 1;
}
void Stream::flush(void) {}
size_t Stream::print(const char *) { return 0; }
size_t Stream::print(uint32_t) { return 0; }
size_t Stream::println(const char *) { return 0; }
int main() {
  setup();
  for (;;) loop();
}
