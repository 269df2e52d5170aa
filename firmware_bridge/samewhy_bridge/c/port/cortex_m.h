/* What every Cortex-M has: SysTick as a counter, interrupts, sleep. Source: ARMv7-M Architecture Reference Manual, B3. */
#ifndef SAMEWHY_CORTEX_M_H
#define SAMEWHY_CORTEX_M_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SYST_CSR REGISTER(0xE000E010u) /* 1 runs, 2 interrupts at 0, 4 counts the processor's clock */
#define SYST_RVR REGISTER(0xE000E014u)
#define SYST_CVR REGISTER(0xE000E018u)
#define ICSR REGISTER(0xE000ED04u)
#define NVIC_ISER REGISTER(0xE000E100u)
#define PENDSTSET (1u << 26)

static volatile uint32_t systick_wraps;

void SysTick_Handler(void);
void SysTick_Handler(void) { systick_wraps = systick_wraps + 1u; }

static inline void systick_start(void) {
  SYST_RVR = 0xFFFFFFu;
  SYST_CVR = 0;
  SYST_CSR = 7u;
}

/* Its 24 bits, which count down, and how often they were through. Read again where they were through in between. */
static inline uint32_t systick_count(void) {
  uint32_t wraps, value;
  do {
    wraps = systick_wraps;
    value = SYST_CVR;
  } while (wraps != systick_wraps || (ICSR & PENDSTSET));
  return (wraps << 24) | (0xFFFFFFu - value);
}

static inline void interrupts_off(void) { __asm volatile("cpsid i" ::: "memory"); }
static inline void interrupts_on(void) { __asm volatile("cpsie i" ::: "memory"); }
static inline void wait_for_interrupt(void) { __asm volatile("wfi" ::: "memory"); }

#endif
