/* ESP-IDF: the console's UART, or the USB of chips that have a serial line in it (CONFIG_ESP_CONSOLE_USB_SERIAL_JTAG).
 * Source: ESP-IDF Programming Guide, UART and USB Serial/JTAG. */
#include <stdbool.h>

#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "samewhy_port.h"
#include "sdkconfig.h"

#define WAIT pdMS_TO_TICKS(1000)
#define HELD (SAMEWHY_ROOM + 256u) /* what the driver holds back: more than the UART's own 128 bytes, as it asks */

#if CONFIG_ESP_CONSOLE_USB_SERIAL_JTAG
#include "driver/usb_serial_jtag.h"

static void start(void) {
  usb_serial_jtag_driver_config_t config = {.rx_buffer_size = HELD, .tx_buffer_size = 256};
  usb_serial_jtag_driver_install(&config);
}

static int receive(uint8_t *byte, TickType_t wait) { return usb_serial_jtag_read_bytes(byte, 1, wait); }

void samewhy_port_put(uint8_t byte) { usb_serial_jtag_write_bytes(&byte, 1, WAIT); }
#else
#include "driver/uart.h"

#define LINE CONFIG_ESP_CONSOLE_UART_NUM /* its pins and its rate are the console's */

static void start(void) { uart_driver_install(LINE, HELD, 0, 0, NULL, 0); }

static int receive(uint8_t *byte, TickType_t wait) { return uart_read_bytes(LINE, byte, 1, wait); }

void samewhy_port_put(uint8_t byte) { uart_write_bytes(LINE, &byte, 1); }
#endif

static uint8_t first; /* a byte that ended the sleep */
static bool awake;

void samewhy_port_init(void) { start(); }

int samewhy_port_get(void) {
  uint8_t byte = first;
  bool got = awake || receive(&byte, 0) == 1;
  awake = false;
  return got ? byte : -1;
}

uint32_t samewhy_port_ticks(void) { return (uint32_t)esp_timer_get_time(); }

uint32_t samewhy_port_tick_rate(void) { return 1000000; }

void samewhy_port_idle(void) { awake = awake || receive(&first, WAIT) == 1; } /* other tasks run meanwhile */
