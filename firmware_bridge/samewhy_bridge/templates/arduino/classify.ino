// The network in a program of your own: an input of one value everywhere, the place of the highest score.
#include <${name}_arduino.h>

void setup() { Serial.begin(115200); }

void loop() {
  int8_t *input = samewhy_input();  // to be written before every run: later tensors may lie there
  for (uint32_t i = 0; i < SAMEWHY_INPUT_BYTES; i++) input[i] = (int8_t)samewhy_model.input.zero_point;

  uint32_t start = micros();
  samewhy_invoke();
  uint32_t taken = micros() - start;

  const int8_t *scores = samewhy_output();
  uint32_t best = 0;
  for (uint32_t i = 1; i < SAMEWHY_OUTPUT_BYTES; i++) best = scores[i] > scores[best] ? i : best;
  Serial.print("class ");
  Serial.print(best);
  Serial.print(" in ");
  Serial.print(taken);
  Serial.println(" us");
  delay(1000);
}
