/* The model on a wire: binary frames that are checked, and an ASCII dialect on the same port.
 *
 *   samewhy_port_init();
 *   samewhy_wire_start();
 *   for (;;) samewhy_wire_poll();
 */
#ifndef SAMEWHY_WIRE_H
#define SAMEWHY_WIRE_H

#include <stdint.h>

#include "samewhy_model.h"
#include "samewhy_port.h"

#define SAMEWHY_PROTOCOL 1u

/* Questions that one frame may hold; each takes SAMEWHY_INPUT_BYTES of RAM. */
#ifndef SAMEWHY_BATCH
#define SAMEWHY_BATCH 1u
#endif

/* 0 leaves the ASCII dialect out: 1.5 KB of flash. */
#ifndef SAMEWHY_ASCII
#define SAMEWHY_ASCII 1
#endif

/* How the rung is called in records. */
#ifndef SAMEWHY_RUNTIME
#define SAMEWHY_RUNTIME "samewhy-c"
#endif
#ifndef SAMEWHY_KERNELS
#define SAMEWHY_KERNELS "generated-c"
#endif

/* Bytes of the model's file; 0 where nobody said. */
#ifndef SAMEWHY_FILE_BYTES
#define SAMEWHY_FILE_BYTES 0u
#endif

void samewhy_wire_start(void); /* says that it is there */
void samewhy_wire_poll(void);  /* takes a byte that came, and answers when a question is whole */

#define SAMEWHY_ABOUT_BYTES 512u
#define SAMEWHY_SPEAKS_ASCII 1u /* flags of it */
#define SAMEWHY_PACKS 2u

/* What the board says of itself, as the answer to INFO holds it; at most SAMEWHY_ABOUT_BYTES. How many they are.
 * A debugger calls it too. */
uint16_t samewhy_about(uint8_t *out);

#endif
