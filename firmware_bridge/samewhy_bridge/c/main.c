#include "samewhy_wire.h"

int main(void) {
  samewhy_port_init();
  samewhy_wire_start();
  for (;;) samewhy_wire_poll();
}
