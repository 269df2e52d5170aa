/* Zephyr: the UART that the board's device tree chooses as console, by interrupt. Source: Zephyr documentation, UART. */
#include <zephyr/device.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>

#include "samewhy_ring.h"

static const struct device *const line = DEVICE_DT_GET(DT_CHOSEN(zephyr_console));

K_SEM_DEFINE(samewhy_came, 0, 1);

static void received(const struct device *device, void *unused) {
  uint8_t byte;
  ARG_UNUSED(unused);
  while (uart_irq_update(device) && uart_irq_rx_ready(device)) {
    while (uart_fifo_read(device, &byte, 1) == 1) {
      if (!ring_full()) ring_put(byte); /* what is lost damages its frame, which is asked again */
    }
  }
  k_sem_give(&samewhy_came);
}

void samewhy_port_init(void) {
  uart_irq_callback_user_data_set(line, received, NULL);
  uart_irq_rx_enable(line);
}

int samewhy_port_get(void) { return ring_empty() ? -1 : ring_get(); }

void samewhy_port_put(uint8_t byte) { uart_poll_out(line, byte); }

uint32_t samewhy_port_ticks(void) { return k_cycle_get_32(); }

uint32_t samewhy_port_tick_rate(void) { return sys_clock_hw_cycles_per_sec(); }

void samewhy_port_idle(void) {
  if (ring_empty()) k_sem_take(&samewhy_came, K_SECONDS(1));
}
