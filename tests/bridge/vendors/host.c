#define samewhy_port_init host_init
#define samewhy_port_get host_get
#define samewhy_port_put host_put
#define samewhy_port_ticks host_ticks
#define samewhy_port_tick_rate host_tick_rate
#define samewhy_port_idle host_idle
#include "port/port_host.c"
