#pragma once
#include <stddef.h>
#include <stdint.h>
#define CONFIG_BOARD "a stub of Zephyr"
#define ARG_UNUSED(name) (void)(name)
typedef struct {
  int64_t ticks;
} k_timeout_t;
#define K_SECONDS(seconds) ((k_timeout_t){(seconds) * 100})
struct k_sem {
  unsigned int count, limit;
};
#define K_SEM_DEFINE(name, initial, most) struct k_sem name = {initial, most}
int k_sem_take(struct k_sem *sem, k_timeout_t wait);
void k_sem_give(struct k_sem *sem);
uint32_t k_cycle_get_32(void);
int sys_clock_hw_cycles_per_sec(void);
