#include "fully_connected.h"

void samewhy_fully_connected(const samewhy_fully_connected_spec *spec, const int8_t *input, int8_t *output) {
  for (uint32_t i = 0; i < spec->rows; i++) {
    samewhy_matmul(&spec->matmul, input, output);
    input += spec->matmul.inputs;
    output += spec->matmul.outputs;
  }
}
