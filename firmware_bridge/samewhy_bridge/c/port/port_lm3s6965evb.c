/* The Stellaris LM3S6965 as QEMU has it: 256 KB of flash, 64 KB of RAM, PL011 UART 0. Source: LM3S6965 data sheet, 12;
 * Arm DDI 0183, 3.3. */
#include "cortex_m.h"
#include "samewhy_ring.h"

#define RCGC1 REGISTER(0x400FE104u)
#define RCGC2 REGISTER(0x400FE108u)
#define DR REGISTER(0x4000C000u)
#define FR REGISTER(0x4000C018u)
#define LCRH REGISTER(0x4000C02Cu)
#define CTL REGISTER(0x4000C030u)
#define IMSC REGISTER(0x4000C038u)
#define ICR REGISTER(0x4000C044u)
#define RX_EMPTY 0x10u
#define TX_FULL 0x20u
#define RX_INTERRUPT 0x10u
#define TIMEOUT_INTERRUPT 0x40u
#define RX_IRQ 5u

static uint32_t masked;

void samewhy_port_init(void) {
  RCGC1 |= 1u; /* clocks of UART 0 and of its pins */
  RCGC2 |= 1u;
  CTL = 0;
  LCRH = 0x70u; /* 8 bits, FIFOs */
  CTL = 0x301u;
  IMSC = RX_INTERRUPT | TIMEOUT_INTERRUPT;
  NVIC_ISER = 1u << RX_IRQ;
  systick_start();
  interrupts_on();
}

void samewhy_irq_receive(void);
void samewhy_irq_receive(void) {
  ICR = RX_INTERRUPT | TIMEOUT_INTERRUPT;
  while (!(FR & RX_EMPTY) && !ring_full()) ring_put((uint8_t)DR);
  masked = (uint32_t)ring_full();
  if (masked) IMSC = 0; /* what else comes waits in the UART, and before it */
}

int samewhy_port_get(void) {
  if (ring_empty()) return -1;
  uint8_t byte = ring_get();
  if (masked) {
    interrupts_off();
    IMSC = RX_INTERRUPT | TIMEOUT_INTERRUPT;
    samewhy_irq_receive();
    interrupts_on();
  }
  return byte;
}

void samewhy_port_put(uint8_t byte) {
  while (FR & TX_FULL) {
  }
  DR = byte;
}

uint32_t samewhy_port_ticks(void) { return systick_count(); }

uint32_t samewhy_port_tick_rate(void) { return 0; } /* emulated: ticks count instructions at best, never time */

void samewhy_port_idle(void) {
  interrupts_off();
  if (ring_empty()) wait_for_interrupt();
  interrupts_on();
}
