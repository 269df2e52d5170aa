/* What a generated model tells of itself, and how it is asked. The same for every model.

   One query at a time: there is one arena. Nothing is allocated, nothing is called but memcpy and memset. */
#ifndef SAMEWHY_H
#define SAMEWHY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SAMEWHY_RANK 5 /* the most axes that an end of the model has */

typedef enum {
  SAMEWHY_INT8 = 0,
  SAMEWHY_UINT8 = 1,
  SAMEWHY_INT16 = 2,
  SAMEWHY_INT32 = 3,
  SAMEWHY_FLOAT32 = 4
} samewhy_type;

/* The input or the output. */
typedef struct {
  samewhy_type type;
  uint8_t rank;
  uint16_t dims[SAMEWHY_RANK];
  float scale; /* real = scale * (code - zero point); 0 where it holds real numbers */
  int32_t zero_point;
  uint32_t bytes;
} samewhy_end;

/* What an operator writes; it can be read at its offset until the next operator runs. */
typedef struct {
  uint16_t operator_index; /* in the file */
  uint16_t tensor;         /* in the file */
  samewhy_type type;
  uint32_t offset; /* in the arena */
  uint32_t bytes;
} samewhy_layer;

typedef struct {
  uint8_t sha256[32]; /* of the .tflite file */
  const char *name;
  samewhy_end input, output;
  uint32_t arena_bytes, constant_bytes;
  uint64_t macs;
  uint16_t operators; /* of the file; some may do nothing */
  uint16_t layers;    /* rows of samewhy_layers */
} samewhy_model_info;

extern const samewhy_model_info samewhy_model;
extern const samewhy_layer samewhy_layers[];

/* Where the input is written before EVERY run: later tensors may lie there. Multiples of four bytes; floats are
   little-endian. */
int8_t *samewhy_input(void);

/* The output, after a run. */
const int8_t *samewhy_output(void);

void samewhy_invoke(void);

/* Runs the operators of the file with an index below this one, to look at what they write. */
void samewhy_invoke_first(uint16_t operators);

const int8_t *samewhy_arena_at(uint32_t offset);

#ifdef __cplusplus
}
#endif

#endif
