/* From reset to main, on any Cortex-M: the table of vectors, memory, the floating-point unit. Source: ARMv7-M
 * Architecture Reference Manual, B1.5. The linker script gives the symbols. */
#include <stdint.h>
#include <string.h>

extern uint32_t _stack_top, _data_load, _data_start, _data_end, _bss_start, _bss_end;

int main(void);
void Reset_Handler(void);
void SysTick_Handler(void);
void samewhy_irq_receive(void);

/* A fault ends here: a board that is silent is asked again and then given up, never believed. */
static void fault(void) {
  for (;;) {
  }
}

#define CPACR (*(volatile uint32_t *)0xE000ED88u)

void Reset_Handler(void) {
#if defined(__ARM_FP)
  CPACR |= 0xFu << 20; /* before anything that may use the unit */
  __asm volatile("dsb\n isb");
#endif
  memcpy(&_data_start, &_data_load, (uint32_t)((char *)&_data_end - (char *)&_data_start));
  memset(&_bss_start, 0, (uint32_t)((char *)&_bss_end - (char *)&_bss_start));
  main();
  fault();
}

typedef void (*vector)(void);

#define EVERY samewhy_irq_receive, samewhy_irq_receive, samewhy_irq_receive, samewhy_irq_receive

/* The first interrupts all lead to the one that is enabled. */
__attribute__((section(".vectors"), used)) static const struct {
  uint32_t *stack;
  vector reset, faults[5], reserved[4], svc, debug, reserved2, pendsv, systick, irqs[16];
} vectors = {&_stack_top,      Reset_Handler, {fault, fault, fault, fault, fault}, {0}, fault, fault, 0, fault,
             SysTick_Handler, {EVERY, EVERY, EVERY, EVERY}};
