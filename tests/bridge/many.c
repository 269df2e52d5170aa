/* Every row of many inputs through the model, for tests. */
#include <string.h>

#include "samewhy_model.h"

void many(const int8_t *inputs, int8_t *outputs, uint32_t rows) {
  for (uint32_t i = 0; i < rows; i++) {
    memcpy(samewhy_input(), inputs + i * SAMEWHY_INPUT_BYTES, SAMEWHY_INPUT_BYTES);
    samewhy_invoke();
    memcpy(outputs + i * SAMEWHY_OUTPUT_BYTES, samewhy_output(), SAMEWHY_OUTPUT_BYTES);
  }
}

#ifdef ALONE /* with sanitizers: rows from standard input to standard output */
#include <stdio.h>

int main(void) {
  static int8_t input[SAMEWHY_INPUT_BYTES], output[SAMEWHY_OUTPUT_BYTES];
  while (fread(input, sizeof input, 1, stdin)) {
    many(input, output, 1);
    fwrite(output, sizeof output, 1, stdout);
  }
  return 0;
}
#endif
