#ifndef SAMEWHY_MAX_POOL_2D_H
#define SAMEWHY_MAX_POOL_2D_H

#include "pool.h"

void samewhy_max_pool_2d(const samewhy_pool_spec *spec, const int8_t *input, int8_t *output);

#endif
