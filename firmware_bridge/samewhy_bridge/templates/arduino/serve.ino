// The board answers samewhy over its serial line: samewhy check 'serial:/dev/ttyACM0'
#include <${name}_arduino.h>

void setup() {
  samewhy_port_init();
  samewhy_wire_start();
}

void loop() { samewhy_wire_poll(); }
