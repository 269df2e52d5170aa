/* As much of TFLite Micro as the project calls. Its tensors are two rooms; its operators are counted. */
#ifndef MICRO_MUTABLE_OP_RESOLVER_H
#define MICRO_MUTABLE_OP_RESOLVER_H
typedef enum { kTfLiteOk = 0, kTfLiteError = 1 } TfLiteStatus;
#define TF_LITE_ENSURE_STATUS(status) \
  do {                                \
    const TfLiteStatus s = (status);  \
    if (s != kTfLiteOk) return s;     \
  } while (0)
#define ADDS(name) \
  TfLiteStatus name() { return ++count_ > kCount ? kTfLiteError : kTfLiteOk; }
namespace tflite {
class MicroOpResolver {
 public:
  unsigned int count_ = 0;
};
template <unsigned int kCount>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  ADDS(AddConv2D)
  ADDS(AddDepthwiseConv2D)
  ADDS(AddFullyConnected)
  ADDS(AddMean)
  ADDS(AddPad)
};
}  // namespace tflite
#endif
