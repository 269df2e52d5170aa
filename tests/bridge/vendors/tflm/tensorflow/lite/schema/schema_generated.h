#ifndef SCHEMA_GENERATED_H
#define SCHEMA_GENERATED_H
namespace tflite {
struct Model;
const Model *GetModel(const void *bytes);
}  // namespace tflite
#endif
