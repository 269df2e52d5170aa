/* port_host.c under other names: what the stubs of vendors' libraries stand on. */
#ifndef HOST_H
#define HOST_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
void host_init(void);
int host_get(void);
void host_put(uint8_t byte);
uint32_t host_ticks(void);
uint32_t host_tick_rate(void);
void host_idle(void);
#ifdef __cplusplus
}
#endif
#endif
