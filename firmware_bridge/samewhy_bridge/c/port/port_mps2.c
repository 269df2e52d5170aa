/* The MPS2 boards (an385, an386, an500) as QEMU has them: CMSDK UART 0. Source: Arm DDI 0479, 4.3. */
#include "cortex_m.h"
#include "samewhy_ring.h"

#define DATA REGISTER(0x40004000u)
#define STATE REGISTER(0x40004004u)
#define CTRL REGISTER(0x40004008u)
#define INTCLEAR REGISTER(0x4000400Cu)
#define BAUDDIV REGISTER(0x40004010u)
#define TX_FULL 1u
#define RX_FULL 2u
#define TX_ENABLE 1u
#define RX_ENABLE 2u
#define RX_INTERRUPT 8u
#define RX_IRQ 0u

void samewhy_port_init(void) {
  BAUDDIV = 16u; /* the least that it takes; nothing is sent below */
  CTRL = TX_ENABLE | RX_ENABLE | RX_INTERRUPT;
  NVIC_ISER = 1u << RX_IRQ;
  systick_start();
  interrupts_on();
}

static uint32_t masked; /* the interrupt is off: the ring is full */

void samewhy_irq_receive(void);
void samewhy_irq_receive(void) {
  INTCLEAR = 2u;
  if (!ring_full() && (STATE & RX_FULL)) ring_put((uint8_t)DATA);
  masked = (uint32_t)ring_full();
  if (masked) CTRL = TX_ENABLE | RX_ENABLE; /* what else comes waits in the UART, and before it */
}

int samewhy_port_get(void) {
  if (ring_empty()) return -1;
  uint8_t byte = ring_get();
  if (masked) {
    interrupts_off();
    CTRL = TX_ENABLE | RX_ENABLE | RX_INTERRUPT;
    samewhy_irq_receive(); /* a byte that waits makes no interrupt any more */
    interrupts_on();
  }
  return byte;
}

void samewhy_port_put(uint8_t byte) {
  while (STATE & TX_FULL) {
  }
  DATA = byte;
}

uint32_t samewhy_port_ticks(void) { return systick_count(); }

uint32_t samewhy_port_tick_rate(void) { return 0; } /* emulated: ticks count instructions at best, never time */

void samewhy_port_idle(void) {
  interrupts_off(); /* a byte that comes now still ends the sleep */
  if (ring_empty()) wait_for_interrupt();
  interrupts_on();
}
