/* Two tensors element by element, of which either may be repeated along some axes. */
#ifndef SAMEWHY_PAIRS_H
#define SAMEWHY_PAIRS_H

#include <stdint.h>

#define SAMEWHY_AXES 4

typedef struct {
  uint32_t sizes[SAMEWHY_AXES]; /* of the output; the last axis is the innermost */
  uint32_t first_steps[SAMEWHY_AXES], second_steps[SAMEWHY_AXES]; /* 0 along an axis of one element */
} samewhy_pairs;

/* The rows of a walk over pairs: each call of next goes on to the next row, until it returns 0. */
typedef struct {
  const samewhy_pairs *pairs;
  uint32_t at[SAMEWHY_AXES - 1];
  uint32_t first, second; /* where the row begins */
} samewhy_pairs_walk;

static inline int samewhy_pairs_next(samewhy_pairs_walk *walk) {
  for (int axis = SAMEWHY_AXES - 2; axis >= 0; axis--) {
    walk->first += walk->pairs->first_steps[axis];
    walk->second += walk->pairs->second_steps[axis];
    if (++walk->at[axis] < walk->pairs->sizes[axis]) return 1;
    walk->first -= walk->pairs->first_steps[axis] * walk->at[axis];
    walk->second -= walk->pairs->second_steps[axis] * walk->at[axis];
    walk->at[axis] = 0;
  }
  return 0;
}

#endif
