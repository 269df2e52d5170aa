/* A network of one class: the first byte of its input. */
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/system_setup.h"
namespace tflite {
static int8_t in[4096], out[4096];
static const Model *given;
static bool ready;
const Model *GetModel(const void *bytes) { return static_cast<const Model *>(bytes); }
void InitializeTarget() {}
MicroInterpreter::MicroInterpreter(const Model *model, const MicroOpResolver &, uint8_t *, size_t) { given = model; }
TfLiteStatus MicroInterpreter::AllocateTensors() {
  ready = reinterpret_cast<const char *>(given)[4] == 'T';
  return ready ? kTfLiteOk : kTfLiteError;
}
TfLiteStatus MicroInterpreter::Invoke() {
  out[0] = in[0];
  return ready ? kTfLiteOk : kTfLiteError;
}
TfLiteTensor *MicroInterpreter::input(size_t) {
  static TfLiteTensor tensor;
  tensor.data.int8 = in;
  return &tensor;
}
TfLiteTensor *MicroInterpreter::output(size_t) {
  static TfLiteTensor tensor;
  tensor.data.int8 = out;
  return &tensor;
}
}  // namespace tflite
