/* A model whose answer is a known function of every bit of its input: FNV-1a with a seed for each score. */
#ifndef SAMEWHY_MODEL_H
#define SAMEWHY_MODEL_H

#include <stdint.h>

#define SAMEWHY_INPUT_BYTES 784u
#define SAMEWHY_OUTPUT_BYTES 10u
#define SAMEWHY_ARENA_BYTES 1600u
#define SAMEWHY_FILE_BYTES 4321u

typedef enum { SAMEWHY_INT8 = 0, SAMEWHY_UINT8 = 1, SAMEWHY_INT16 = 2, SAMEWHY_INT32 = 3, SAMEWHY_FLOAT32 = 4 } samewhy_type;
typedef struct {
  samewhy_type type;
  uint8_t rank;
  uint16_t dims[5];
  float scale;
  int32_t zero_point;
  uint32_t bytes;
} samewhy_port_of_model;
typedef struct {
  uint16_t operator_index;
  uint16_t tensor;
  samewhy_type type;
  uint32_t offset;
  uint32_t bytes;
} samewhy_layer;
typedef struct {
  uint8_t sha256[32];
  const char *name;
  samewhy_port_of_model input, output;
  uint32_t arena_bytes, constant_bytes;
  uint64_t macs;
  uint16_t layers;
} samewhy_model_info;
extern const samewhy_model_info samewhy_model;
extern const samewhy_layer samewhy_layers[];

int8_t *samewhy_input(void);
const int8_t *samewhy_output(void);
void samewhy_invoke(void);
void samewhy_invoke_first(uint16_t operators);
const int8_t *samewhy_arena_at(uint32_t offset);

#endif
