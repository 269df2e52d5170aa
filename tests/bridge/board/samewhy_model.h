/* A model whose answer is a known function of every bit of its input: FNV-1a with a seed for each score. */
#ifndef SAMEWHY_MODEL_H
#define SAMEWHY_MODEL_H

#include "samewhy.h"

#define SAMEWHY_INPUT_BYTES 784u
#define SAMEWHY_OUTPUT_BYTES 10u
#define SAMEWHY_ARENA_BYTES 1600u
#define SAMEWHY_FILE_BYTES 4321u

#endif
