/* As much of Arduino's core as the port and the sketches use. */
#ifndef ARDUINO_H
#define ARDUINO_H
#include <stddef.h>
#include <stdint.h>
unsigned long millis(void);
unsigned long micros(void);
void delay(unsigned long milliseconds);
void yield(void);
struct Stream {
  void begin(unsigned long baud);
  int read(void);
  size_t write(uint8_t byte);
  void flush(void);
  size_t print(const char *text);
  size_t print(uint32_t number);
  size_t println(const char *text);
  operator bool() const { return true; }
};
extern Stream Serial;
void setup(void);
void loop(void);
#endif
