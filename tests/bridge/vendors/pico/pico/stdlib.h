#include <stdbool.h>
#include <stdint.h>
bool stdio_init_all(void);
int getchar_timeout_us(uint32_t timeout);
int putchar_raw(int byte);
void stdio_flush(void);
uint32_t time_us_32(void);
void tight_loop_contents(void);
