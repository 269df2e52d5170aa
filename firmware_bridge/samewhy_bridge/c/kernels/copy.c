#include "copy.h"

#include <string.h>

void samewhy_copy(const samewhy_copy_spec *spec, const int8_t *input, int8_t *output) {
  uint32_t at[SAMEWHY_COPY_AXES] = {0};
  int32_t from = (int32_t)spec->from, to = (int32_t)spec->to;
  int axis;
  do {
    memcpy(output + to, input + from, spec->run);
    for (axis = SAMEWHY_COPY_AXES - 1; axis >= 0; axis--) {
      from += spec->from_steps[axis];
      to += spec->to_steps[axis];
      if (++at[axis] < spec->sizes[axis]) break;
      from -= spec->from_steps[axis] * (int32_t)at[axis];
      to -= spec->to_steps[axis] * (int32_t)at[axis];
      at[axis] = 0;
    }
  } while (axis >= 0);
}
