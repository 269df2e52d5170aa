#include "../host.h"
#include "driver/uart.h"
#include "driver/usb_serial_jtag.h"
#include "esp_timer.h"

static int receive(uint8_t *byte, TickType_t wait) {
  int got = host_get();
  if (got < 0 && wait) {
    host_idle();
    got = host_get();
  }
  *byte = got < 0 ? *byte : (uint8_t)got;
  return got >= 0;
}

int64_t esp_timer_get_time(void) { return host_ticks(); }
esp_err_t uart_driver_install(uart_port_t line, int rx, int tx, int size, QueueHandle_t *queue, int flags) {
  (void)line, (void)tx, (void)size, (void)queue, (void)flags;
  host_init();
  return rx > 128 ? 0 : -1;
}
int uart_read_bytes(uart_port_t line, void *buffer, uint32_t length, TickType_t wait) {
  (void)line, (void)length;
  return receive(buffer, wait);
}
int uart_write_bytes(uart_port_t line, const void *bytes, size_t size) {
  (void)line;
  host_put(*(const uint8_t *)bytes);
  return (int)size;
}
esp_err_t usb_serial_jtag_driver_install(usb_serial_jtag_driver_config_t *config) {
  host_init();
  return config->rx_buffer_size > 64 ? 0 : -1;
}
int usb_serial_jtag_read_bytes(void *buffer, uint32_t length, TickType_t wait) {
  (void)length;
  return receive(buffer, wait);
}
int usb_serial_jtag_write_bytes(const void *bytes, size_t size, TickType_t wait) {
  (void)wait;
  host_put(*(const uint8_t *)bytes);
  return (int)size;
}

void app_main(void);
int main(void) { app_main(); }
