#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>

#include "../host.h"

const struct device stub_console = {7};
static uart_irq_callback_user_data_t call;
static int coming = -1;

int uart_irq_callback_user_data_set(const struct device *device, uart_irq_callback_user_data_t given, void *data) {
  (void)data;
  host_init();
  call = given;
  return device == &stub_console ? 0 : -1;
}
void uart_irq_rx_enable(const struct device *device) { (void)device; }
int uart_irq_update(const struct device *device) {
  (void)device;
  return 1;
}
int uart_irq_rx_ready(const struct device *device) {
  (void)device;
  coming = coming < 0 ? host_get() : coming;
  return coming >= 0;
}
int uart_fifo_read(const struct device *device, uint8_t *bytes, const int size) {
  if (size < 1 || !uart_irq_rx_ready(device)) return 0;
  *bytes = (uint8_t)coming;
  coming = -1;
  return 1;
}
void uart_poll_out(const struct device *device, unsigned char byte) {
  (void)device;
  host_put(byte);
}

/* Nobody interrupts here: bytes come while the thread waits. */
int k_sem_take(struct k_sem *sem, k_timeout_t wait) {
  (void)wait;
  host_idle();
  call(&stub_console, NULL);
  sem->count = 0;
  return 0;
}
void k_sem_give(struct k_sem *sem) { sem->count = 1; }
uint32_t k_cycle_get_32(void) { return host_ticks(); }
int sys_clock_hw_cycles_per_sec(void) { return (int)host_tick_rate(); }
