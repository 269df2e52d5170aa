/* Moves bytes: slices, transposes, joins and pads are all this. */
#ifndef SAMEWHY_COPY_H
#define SAMEWHY_COPY_H

#include <stdint.h>

#define SAMEWHY_COPY_AXES 5

/* Runs of bytes, over axes of which the last is the innermost; starts and steps are in bytes. */
typedef struct {
  uint32_t sizes[SAMEWHY_COPY_AXES];
  int32_t from_steps[SAMEWHY_COPY_AXES], to_steps[SAMEWHY_COPY_AXES];
  uint32_t from, to;
  uint32_t run;
} samewhy_copy_spec;

void samewhy_copy(const samewhy_copy_spec *spec, const int8_t *input, int8_t *output);

#endif
