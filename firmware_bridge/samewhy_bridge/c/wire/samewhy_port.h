/* What the wire needs of a board: six functions, written once for each. */
#ifndef SAMEWHY_PORT_H
#define SAMEWHY_PORT_H

#include <stdint.h>

/* Bytes that the port keeps while nobody reads, so that the next question may travel while the model runs. A power of
 * two; 0 for a port that polls and keeps none. */
#ifndef SAMEWHY_ROOM
#define SAMEWHY_ROOM 1024u
#endif

/* What the board calls itself, for records. */
#ifndef SAMEWHY_MACHINE
#define SAMEWHY_MACHINE "unnamed board"
#endif

void samewhy_port_init(void);
int samewhy_port_get(void);            /* the next byte that came, or -1 */
void samewhy_port_put(uint8_t byte);   /* waits until there is room to send it */
uint32_t samewhy_port_ticks(void);     /* counts up and wraps */
uint32_t samewhy_port_tick_rate(void); /* a second; 0 where ticks are not time, under emulation */
void samewhy_port_idle(void);          /* nothing to do: may sleep until a byte comes */

#endif
